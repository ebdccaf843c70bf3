#!/bin/sh
# predict on names that standard input brings: answered one by one, with what a
# folder's table says of the same images.
. tests/e2e/lib.sh

net=models/quickstart.net
"$simcc" data synth "$work/shapes" --classes 3 --per-class 10 --size 16 -q
"$simcc" run "$net" scratch --data "$work/shapes" --out "$work/run" -q --set \
    filters=4 groups=2 image_size=16 scratch.steps=4 scratch.batch=8 \
    scratch.labels=4 > "$work/log" 2>&1

# stream OPTION...: names on standard input.
stream() {
    "$simcc" predict "$net" scratch --data - --out "$work/run" "$@"
}
ls "$work"/shapes/test/*/*.png > "$work/names"
"$simcc" predict "$net" scratch --data "$work/shapes" --split test \
    --out "$work/run" -o "$work/table.csv" -q
# Without the folder of the names, and the true class, which a stream has not.
sed "s#^#$work/shapes/#" "$work/table.csv" | tail -n +2 |
    awk -F, -v OFS=, '{ print $1, $2, $4, $5, $6 }' > "$work/wanted"

stream -q < "$work/names" > "$work/got"
check "predict: a stream says what a folder does" sh -c \
    "tail -n +2 '$work/got' | cmp - '$work/wanted'"
check "predict: under a head of its own" grep -qx \
    "name,predicted,disc,ring,square" "$work/got"
stream -q --set scratch.batch=4 < "$work/names" > "$work/four"
check "predict: four at a time say the same" cmp "$work/got" "$work/four"
stream -q -o "$work/file.csv" < "$work/names"
check "predict: and so does a file" cmp "$work/got" "$work/file.csv"

# Each answer comes before the next name goes: this ends, or it would wait.
mkfifo "$work/to" "$work/from"
stream --top 1 < "$work/to" > "$work/from" 2> "$work/log" &
worker=$!
exec 3> "$work/to" 4< "$work/from"
read -r head <&4
check "predict: the head comes first" [ "$head" = "name,predicted,probability" ]
answers=0
while read -r name && [ "$answers" -lt 3 ]; do
    echo "$name" >&3
    read -r answer <&4
    [ "${answer%%,*}" = "$name" ] && answers=$((answers + 1))
done < "$work/names"
check "predict: one answer for each name" [ "$answers" = 3 ]
printf '%s/none.png\r\n\n' "$work" >&3
read -r answer <&4
check "predict: an empty one for what cannot be read" \
    [ "$answer" = "$work/none.png,," ]
printf '%s' "$(head -n 1 "$work/names")" >&3
exec 3>&-
read -r answer <&4
check "predict: a last name without its end" \
    [ "${answer%%,*}" = "$(head -n 1 "$work/names")" ]
exec 4<&-
wait "$worker"
check "predict: and then it ends well" [ $? = 0 ]
check "predict: which were not readable is said" grep -q "none.png" "$work/log"

# A file that is no image has no row. One whose damage shows when it is decoded
# has none in predict's table, and one of NaN in embed's.
hurt=$work/hurt
cp -r "$work/shapes" "$hurt"
echo none > "$hurt/test/disc/00000.png"
head -c 200 "$work/shapes/test/disc/00001.png" > "$hurt/test/disc/00001.png"
images=$(wc -l < "$work/names")
check "predict: damaged images" says "1 image cannot be read: no rows" "$simcc" \
    predict "$net" scratch --data "$hurt" --split test --out "$work/run" \
    -o "$work/hurt.csv"
check "predict: have no rows" [ "$(wc -l < "$work/hurt.csv")" = $((images - 1)) ]
check "embed: damaged images" says "1 image cannot be read: rows of NaN" "$simcc" \
    embed "$net" scratch --data "$hurt" --split test --out "$work/run" \
    --value logits --csv -o "$work/hurt.npy"
check "embed: rows of all that were not left out" \
    [ "$(wc -l < "$work/hurt.csv")" = "$images" ]
check "embed: of which one is NaN" \
    [ "$(grep -c "^test/disc/00001.png,disc,nan,nan,nan" "$work/hurt.csv")" = 1 ]
check "embed: and none for what is no image" \
    [ "$(grep -c "disc/00000" "$work/hurt.csv")" = 0 ]

check "predict: other commands take no stream" says "\`simcc predict\` alone" \
    "$simcc" embed "$net" scratch --data - --out "$work/run" \
    --value logits -o "$work/x.npy"
check "predict: a stream has no parts" says "--split says nothing of images" \
    stream --split test
# A net that says `batch` of its images, of more than predict takes at a time.
"$simcc" data synth "$work/more" --classes 3 --per-class 30 --size 16 -q
cat > "$work/batch.net" <<'NET'
import "lib/losses.net"
import "lib/optimizers.net"
param classes = 3
phase train(batch = 80, steps = 5) {
    input images, y = labeled(all), augment [center_crop(16)], evaluate [center_crop(16)]
    weight w[classes, 768] = normal(0.1)
    logits = reshape(images, [batch, 768]) @ transpose(w)
    minimize cross_entropy(logits, y)
    using sgd(rate = 0.01)
}
NET
"$simcc" run "$work/batch.net" --data "$work/more" --out "$work/batch" -q \
    > "$work/log" 2>&1
said() {
    "$simcc" predict "$work/batch.net" train --out "$work/batch" -q "$@"
}
check "predict: batch is what is taken at a time" said --data "$work/more" \
    --split test -o "$work/batch.csv"
cut -d, -f1,2,4- "$work/batch.csv" | tail -n +2 | sed "s#^#$work/more/#" \
    > "$work/wanted"
ls "$work"/more/test/*/*.png | said --data - | tail -n +2 > "$work/got"
check "predict: also of a stream" cmp "$work/got" "$work/wanted"
finish
