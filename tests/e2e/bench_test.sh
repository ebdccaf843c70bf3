#!/bin/sh
# bench/compile: each case's first command finds a folder for its cache that is
# new and empty, and nothing of the cases before has been removed by then.
. tests/e2e/lib.sh

# In place of simcc: notes cache, files in it and caches beside it.
cat > "$work/simcc" <<'END'
#!/bin/sh
cache=$XDG_CACHE_HOME
mkdir -p "$cache"
echo "$cache $(ls "$cache" | wc -l) $(ls "$cache/.." | wc -l)" >> "${0%/*}/runs"
: > "$cache/$$"
END
chmod +x "$work/simcc"
twice() {
    BUILD=$work "$BUILD/bench/compile" r18_32 r50_64 > "$work/times"
}
check "bench: compiles" twice
check "bench: once cold, five times changed, five times warm" \
    [ "$(cut -d ' ' -f 2 "$work/runs" | tr '\n' ' ')" = \
    "0 1 2 3 4 5 6 7 8 9 10 0 1 2 3 4 5 6 7 8 9 10 " ]
check "bench: in a folder for each case" \
    [ "$(cut -d ' ' -f 1 "$work/runs" | sort -u | wc -l)" = 2 ]
check "bench: beside that of the case before" \
    [ "$(cut -d ' ' -f 3 "$work/runs" | sort | uniq -c | tr -s ' \n' ' ')" = \
    " 11 1 11 2 " ]
first=$(head -n 1 "$work/runs")
check "bench: which are gone in the end" [ ! -e "${first%% *}" ]
rm "$work/runs"
check "bench: again" twice
again=$(head -n 1 "$work/runs")
check "bench: in other folders" [ "${first%% *}" != "${again%% *}" ]
finish
