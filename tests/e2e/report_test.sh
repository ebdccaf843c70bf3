#!/bin/sh
# One page of runs: it is well formed, needs no other file, has the numbers that
# the run directory has, and says by which commands the rest is made; these are
# run, and the page is whole. Where there is a Chromium, it loads there without
# an error and answers to a pointer.
. tests/e2e/lib.sh

settings="filters=4 groups=2 image_size=16 pretrain.batch=16 pretrain.epochs=2
    finetune.batch=8 finetune.steps=20 finetune.labels=4"
"$simcc" data synth "$work/shapes" --classes 3 --per-class 20 --size 16 -q

# A name with what shells and pages mind.
run="$work/a & <b> 'c'"
train() {
    out=$1 set=$2
    shift 2
    # shellcheck disable=SC2046
    "$simcc" run models/quickstart.net "$@" --data "$work/shapes" --out "$out" \
        --validate 20% --set $(merged "$settings" "$set") -q > /dev/null
}
train "$run" "" pretrain finetune
page=$work/report.html

report() {
    "$simcc" report "$@" -o "$page"
}

# Every element is closed, in order, and nothing is left open; text has no bare
# & and attributes are quoted. What is between <script> and its end is not looked
# into.
well_formed() {
    awk '
        BEGIN { RS = "<"; FS = ">" }
        NR == 1 { next }
        skipping { if ($0 ~ /^\/script>/) skipping = 0; else next }
        /^!DOCTYPE html>/ { next }
        {
            tag = $1
            rest = substr($0, length(tag) + 2)
            if (NF < 2 && index($0, ">") == 0) { print "not closed: " tag; bad = 1; exit }
            if (rest ~ /&/ && rest !~ /^([^&]|&(amp|lt|gt|quot|#[0-9]+);)*$/) {
                print "bare &: " rest; bad = 1
            }
            name = tag
            sub(/[ \/\n].*$/, "", name)
            if (tag ~ /^\//) {
                name = substr(tag, 2)
                if (stack[depth] != name) { print "</" name "> in <" stack[depth] ">"; bad = 1; exit }
                depth--
                next
            }
            count++
            attributes = substr(tag, length(name) + 1)
            sub(/\/$/, "", attributes)
            gsub(/[ \n][-a-zA-Z0-9]+="[^"<]*"/, "", attributes)
            if (attributes !~ /^[ \n]*$/) { print name ": " attributes; bad = 1; exit }
            if (tag !~ /\/$/) stack[++depth] = name
            if (name == "script") skipping = 1
        }
        END {
            print count " elements, " depth " left open"
            exit bad || depth || count < 100
        }' "$page"
}
# No address but of this page and of what is in it.
self_contained() {
    grep -oE ' (src|srcset|href|action|data|poster)="[^"]{0,40}' "$page" |
        grep -vE '^ href="#|^ src="data:image/png;base64,' && return 1
    ! grep -nE '@import|url\(|https?:' "$page"
}
has() {
    grep -qF -- "$1" "$page" || { echo "not in the page: $1"; false; }
}
has_not() {
    ! grep -nF -- "$1" "$page"
}

check "report: made" report "$run"
check "report: well formed" well_formed
check "report: alone" self_contained
# The check itself sees what is wrong.
ill_formed() {
    cp "$page" "$work/good.html"
    for edit in 's/<\/table>//' 's/&amp;/\&/' 's/<td>/<td class=x>/' \
        's/<\/section>/<\/div>/'; do
        sed "1,40000$edit" "$work/good.html" > "$page"
        well_formed > /dev/null && { echo "not seen: $edit"; return 1; }
    done
    cp "$work/good.html" "$page"
}
check "report: and what is not would be seen" ill_formed
check "report: the name, as text" has "a &amp; &lt;b&gt; 'c'"
last=$(grep '"phase":"pretrain"' "$run/metrics.jsonl" | grep -v valid_images |
    tail -n 1 | sed 's/.*"loss":\([^,]*\),.*/\1/')
check "report: the last loss" has "training $(printf %.4g "$last")"
check "report: validation" has "validation 0."
check "report: settings" has "<td>filters</td><td class=\"w\">4</td>"
check "report: the program" has "phase pretrain(batch = 16, epochs = 2, rate = 2.0)"

# ---- what makes the rest ------------------------------------------------------

# The commands of the page, a line each.
commands() {
    sed -n '/^.*<pre>simcc/,/<\/pre>/p' "$page" | sed 's/.*<pre>//; s/<\/pre>.*//' |
        grep '^simcc ' | grep -v '^simcc run ' |
        sed "s/&lt;/</g; s/&gt;/>/g; s/&quot;/\"/g; s/&amp;/\&/g"
}
commands > "$work/commands"
check "report: says by which commands" test "$(wc -l < "$work/commands")" = 7
run_commands() {
    while read -r line; do
        echo "$line"
        eval "\"\$simcc\" ${line#simcc }" > /dev/null || return 1
    done < "$work/commands"
}
check "report: they run" run_commands
check "report: made again" report "$run"
check "report: whole" has_not "Not in the run director"
check "report: still well formed" well_formed
check "report: still alone" self_contained
check "report: pictures" test \
    "$(grep -o 'src="data:image/png;base64,' "$page" | wc -l)" = 5
check "report: confusions" has "<b>confusion</b>"
check "report: layers" has "<td>layer1.0.conv1</td>"
check "report: memory" has "MB are set aside"
check "report: lines with their time" has 'class="n heat"'
# A picture is in it as it is.
picture() {
    sed -n 's/.*alt="augmented views[^"]*" src="data:image\/png;base64,\([^"]*\)".*/\1/p' \
        "$page" | head -n 1 | base64 -d > "$work/views.png"
    cmp "$work/views.png" "$run/pretrain/views.png"
}
check "report: a picture is its file" picture

# ---- several ------------------------------------------------------------------

train "$work/other" "filters=8" pretrain
check "report: two runs" report "$run" "$work/other"
check "report: two, well formed" well_formed
check "report: what differs" has \
    '<tr class="differs"><td>filters</td><td class="w">4</td><td class="w">8</td></tr>'
check "report: what the second lacks" has "simcc map $work/other/model.net pretrain"

# ---- what is wrong ------------------------------------------------------------

check "report: no -o" exits 2 "$simcc" report "$run"
check "report: no run" says "is no run directory; \`simcc runs\` lists them" \
    report "$work"
echo '{"steps":[{"seconds":x}]}' > "$work/other/pretrain/profile.json"
check "report: a damaged profile" says \
    "profile.json: byte 21: expected a number; \`simcc profile --json\` writes it anew" \
    report "$work/other"
check "report: is an error" exits 1 report "$work/other"
"$simcc" profile models/quickstart.net pretrain --json -q \
    --set filters=4 groups=2 image_size=16 pretrain.batch=8 \
    > "$work/other/pretrain/profile.json"
report "$work/other" -q
check "report: a profile of another file" has \
    "is of another file than model.net: its lines are not shown"
rm "$work/other/pretrain/profile.json"
echo "no picture" > "$work/other/pretrain/map.png"
report "$work/other" -q
check "report: what is no picture" has "map.png is no PNG"

# ---- in a browser -------------------------------------------------------------

for chromium in chromium chromium-browser google-chrome; do
    command -v "$chromium" > /dev/null && break
    chromium=
done
# browse PAGE: its elements as the browser has them when it has loaded.
browse() {
    "$chromium" --headless --no-sandbox --disable-gpu --enable-logging=stderr \
        --user-data-dir="$work/profile" --virtual-time-budget=5000 --dump-dom \
        "file://$1" 2> "$work/console"
}
loads() {
    report "$run" "$work/other" -q
    browse "$page" > "$work/loaded"
    grep 'CONSOLE' "$work/console" && return 1
    grep -q 'class="plot"' "$work/loaded"
}
# A pointer over a plot: its numbers are of that step, and beside it, too.
answers() {
    cat > "$work/pointer" <<'END'
<script>
const plot = document.querySelector('svg.plot');
const box = plot.getBoundingClientRect();
plot.dispatchEvent(new PointerEvent('pointermove',
  {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
document.title = [...document.querySelectorAll('.now')].slice(0, 2)
  .map(now => now.textContent).join(' / ');
</script>
END
    sed "s/<\/body>.*//" "$page" > "$work/hovered.html"
    cat "$work/pointer" >> "$work/hovered.html"
    echo "</body></html>" >> "$work/hovered.html"
    browse "$work/hovered.html" | grep -o '<title>[^<]*' > "$work/title"
    cat "$work/title"
    grep 'CONSOLE' "$work/console" && return 1
    grep -qE 'step [0-9.]+ . .* [0-9.]+.* / step [0-9.]+ ' "$work/title"
}
if [ -n "$chromium" ]; then
    check "report: loads without an error" loads
    check "report: answers to a pointer" answers
else
    skip "report: in a browser" "there is no Chromium"
fi
finish
