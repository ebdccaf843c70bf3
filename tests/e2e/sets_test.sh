#!/bin/sh
# Forms in which people have their sets, folders and lists: what `data info`
# counts of each class, and that test pictures stay out of the training.
. tests/e2e/lib.sh

"$simcc" data synth "$work/drawn" --classes 2 --per-class 10 --size 16 -q
# put FROM TO: the images of a part as two classes in a folder.
put() {
    mkdir -p "$2"
    cp -r "$work/drawn/$1/disc" "$2/disc"
    cp -r "$work/drawn/$1/ring" "$2/ring"
}
# counts SET WANT: "10/2 disc, 10/2 ring", training/test of each class, or
# training/test/validation.
counts() {
    "$simcc" data info "$1" --held-out 0 > "$work/info" || return 1
    got=$(awk '/^ *[0-9]+ +[0-9]+  / {
        printf "%s%s/%s%s %s", sep, $1, $2, (NF > 3 ? "/" $3 : ""), $NF
        sep = ", " }' "$work/info")
    [ "$got" = "$2" ] || { cat "$work/info"; echo "$got, not $2"; false; }
}
both="10/2 disc, 10/2 ring"

# ---- folders ----------------------------------------------------------------

for names in "train test" "Train Test" "Training Testing" "train valid" \
    "train val" "training_set test_set" "train2017 val2017" "TRAIN dev"; do
    set=$work/parts/$(echo "$names" | tr ' ' -)
    # shellcheck disable=SC2086
    set -- $names
    put train "$set/$1"
    put test "$set/$2"
    check "sets: $names" counts "$set" "$both"
done
put train "$work/twice/set/set/train"
put test "$work/twice/set/set/test"
check "sets: unpacked twice" counts "$work/twice" "$both"
check "sets: and it is said" says "the set is in set/set/" "$simcc" data info \
    "$work/twice"
put train "$work/plain"
check "sets: folders of classes" counts "$work/plain" "10/0 disc, 10/0 ring"
for class in disc ring; do
    mkdir -p "$work/images/$class"
    cp -r "$work/drawn/train/$class" "$work/images/$class/images"
done
check "sets: class/images" counts "$work/images" "10/0 disc, 10/0 ring"
put train "$work/beside"
put test "$work/beside/test"
check "sets: test beside the classes" counts "$work/beside" "$both"
put train "$work/three/train"
put test "$work/three/test"
put test "$work/three/valid"
check "sets: three parts" counts "$work/three" "10/2/2 disc, 10/2/2 ring"
check "sets: and one is for validation" says "valid/ is for validation" \
    "$simcc" data info \
    "$work/three"

check "sets: data check says it, too" says "valid/ is for validation" \
    "$simcc" data check "$work/three"
check "sets: and data split" says "valid/ is for validation" "$simcc" data split \
    "$work/three" --per-class 2 --seeds 1 -o "$work/splits"

put train "$work/flat/train"
mkdir "$work/flat/test"
cp "$work/drawn/test/disc"/*.png "$work/flat/test"
check "sets: a flat test part" counts "$work/flat" "10/0 disc, 10/0 ring"
flat() {
    "$simcc" run models/quickstart.net pretrain --data "$work/flat" \
        --out "$work/flat-run" --held-out 0 --set filters=4 groups=1 \
        image_size=16 pretrain.batch=4 pretrain.epochs=1
}
check "sets: pretrains on what is no test picture" says "from 20 images" flat

mkdir "$work/heap"
cp "$work/drawn/train/disc"/*.png "$work/heap"
check "sets: loose images" says "no classes, 10 training images" \
    "$simcc" data info "$work/heap" --held-out 0
cp "$work/drawn/train/disc/00000.png" "$work/plain/stray.png"
check "sets: a picture beside the classes" says \
    "no classes, for stray.png lies beside the folders" \
    "$simcc" data info "$work/plain"
rm "$work/plain/stray.png"
check "sets: simcc draws into a set" "$simcc" augment models/quickstart.net \
    --data "$work/plain" -o "$work/plain/views.png" -q
check "sets: which stays what it is" counts "$work/plain" "10/0 disc, 10/0 ring"
for file in "$work/plain/disc"/*.png; do
    mv "$file" "${file%.png}"
done
check "sets: without extensions" counts "$work/plain" "10/0 disc, 10/0 ring"

mkdir "$work/odd"
cp -r "$work/drawn/train/disc" "$work/odd/a
b"
cp -r "$work/drawn/train/disc" "$work/odd/caf$(printf '\351')"
check "sets: names that no terminal shows" counts "$work/odd" \
    "10/0 a?b, 10/0 caf?"
# Nor do names in findings, warnings and notes steer it.
escape=$(printf '\033')
: > "$work/odd/a
b/${escape}[31mempty.png"
untouched() {
    "$@" > "$work/said" 2>&1
    grep -q 'empty.png' "$work/said" && ! grep -q "$escape" "$work/said"
}
check "sets: names in findings" untouched "$simcc" data check "$work/odd"
check "sets: nor has a finding two lines" sh -c '! grep "^b/" "$1"' - "$work/said"
check "sets: names in warnings" untouched "$simcc" run models/quickstart.net \
    --data "$work/odd" --out "$work/no" --set finetune.labels=99
check "sets: names in errors" untouched "$simcc" data info \
    "$work/no${escape}[31mempty.png"
rm "$work/odd/a
b/${escape}[31mempty.png"
put train "$work/words/seg_train/seg_train"
put test "$work/words/seg_test/seg_test"
check "sets: parts with a word beside" counts "$work/words" "$both"
put train "$work/deep/one/train"
put test "$work/deep/one/test"
put train "$work/deep/two"
check "sets: a test part deeper down" says \
    "40 training images and 4 test images (one/test)" \
    "$simcc" data info "$work/deep"
cp -r "$work/drawn/train/disc" "$work/three/valid/fresh"
check "sets: a class that only the validation has" says \
    "class fresh that the training part does not have" "$simcc" data info \
    "$work/three"

# ---- lists ------------------------------------------------------------------

# list NAME HEADER MARK ORDER: ORDER is the columns, of path label part.
(cd "$work/drawn" && find train test -name '*.png' | LC_ALL=C sort) \
    > "$work/names"
list() {
    file=$work/drawn/$1
    [ -z "$2" ] || echo "$2" > "$file"
    [ -n "$2" ] || : > "$file"
    awk -F/ -v mark="$3" -v order="$4" '{
        cell["path"] = $0; cell["label"] = $2; cell["part"] = $1
        n = split(order, columns, " ")
        for (i = 1; i <= n; i++)
            printf "%s%s", cell[columns[i]], i < n ? mark : "\n" }' \
        "$work/names" >> "$file"
    counts "$file" "$both"
}
all="path label part"
check "sets: path,label,part" list a "path,label,part" , "$all"
for word in file_name image_id id img name '"photo"'; do
    check "sets: $word,label,split" list b "$word,label,split" , "$all"
done
check "sets: no header" list c "" , "$all"
check "sets: label first" list d "label,path,split" , "label path part"
check "sets: label first, no header" list e "" , "label path part"
check "sets: semicolons" list f "path;label;split" ";" "$all"
check "sets: tabs" list g "path	label	split" "	" "$all"
check "sets: spaces" list h "path label split" " " "$all"
check "sets: unused columns" list i "id,path,class,split" , \
    "label path label part"
sed -i 's|^\(test.*\),test$|\1,valid|' "$work/drawn/a"
check "sets: a part called valid" counts "$work/drawn/a" "$both"
printf 'path,label\rtrain/disc/00000.png,disc\r' > "$work/drawn/mac"
check "sets: old Macs" says "old Macs" "$simcc" data info "$work/drawn/mac"
printf '\377\376p\0a\0t\0h\0\n\0' > "$work/drawn/wide"
check "sets: UTF-16" says "UTF-16" "$simcc" data info "$work/drawn/wide"
check "sets: with exit code 4" exits 4 "$simcc" data info "$work/drawn/wide"

finish
