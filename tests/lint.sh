#!/bin/sh
# House rules: the dependency ladder read from the includes, headers of other
# libraries in their one place, sizes of files and functions, lines of 80
# columns, unfinished marks, format.
set -u
bad=0
complain() {
    echo "lint: $*"
    bad=1
}

# ladder FOLDER ALLOWED...: project includes of FOLDER must match one of the
# allowed prefixes.
ladder() {
    folder=$1
    shift
    for file in "$folder"/*.[chly]; do
        [ -e "$file" ] || continue
        grep -n '^#include "' "$file" | while IFS= read -r line; do
            name=$(echo "$line" | sed 's/.*"\(.*\)".*/\1/')
            for prefix in "$@"; do
                case $name in $prefix*) continue 2 ;; esac
            done
            echo "lint: $file:${line%%:*}: $folder may not include $name"
        done
    done
}
ladder_out=$(
    ladder ir/base ir/base/
    ladder ir ir/
    ladder passes passes/ ir/
    ladder frontend/lang frontend/lang/ ir/ runtime/data/augment.def
    ladder codegen codegen/ ir/ runtime/exec/abi.def runtime/exec/plan.h
    ladder runtime/base runtime/base/
    ladder runtime/exec runtime/exec/ runtime/base/
    ladder runtime/data runtime/data/ runtime/exec/ runtime/base/
    ladder runtime/files runtime/files/ runtime/data/ runtime/exec/ runtime/base/
    ladder runtime/monitor runtime/monitor/ runtime/data/ runtime/base/
    ladder runtime/train runtime/
    ladder frontend/cli frontend/ ir/ passes/ codegen/ runtime/
    ladder bench bench/ frontend/ ir/ passes/ codegen/ runtime/
)
[ -z "$ladder_out" ] || { echo "$ladder_out"; bad=1; }

# only_in HEADER PATTERN WHERE: a library's header stays in one place.
only_in() {
    found=$(grep -rlE "#include <$1" ir passes codegen runtime frontend |
        grep -vE "^$2" | tr '\n' ' ')
    [ -z "$found" ] || complain "$1 is included outside $2: $found"
}
only_in llvm-c codegen/
only_in mpi.h runtime/exec/ranks_mpi.c
only_in cblas.h runtime/exec/calls.c
only_in png.h runtime/data/image_png.c
only_in jpeglib.h runtime/data/image_jpeg.c
only_in zlib.h "runtime/(data/dataset_idx.c|files/unzip.c)"

sources=$(find ir passes codegen runtime frontend tests bench -name '*.[chly]' | sort)

for file in $sources; do
    lines=$(wc -l < "$file")
    [ "$lines" -le 700 ] || complain "$file: $lines lines; split it (700 at most)"
done
grep -nE '.{81,}' $(echo "$sources" | tr ' ' '\n' | grep '\.[ch]$') /dev/null |
    grep -v '^ir/ops.def' | cut -c1-100 > "${TMPDIR:-/tmp}/lint.$$"
[ ! -s "${TMPDIR:-/tmp}/lint.$$" ] || {
    cat "${TMPDIR:-/tmp}/lint.$$"
    complain "lines above are longer than 80 columns"
}
rm -f "${TMPDIR:-/tmp}/lint.$$"

# Function length: from a line that opens a function body to its closing brace.
for file in $(echo "$sources" | tr ' ' '\n' | grep '\.c$'); do
    awk -v file="$file" '
        /^\{/ { start = NR }
        /^\}/ { if (start && NR - start > 101)
                    print "lint: " file ":" start ": function of " NR - start - 1 " lines (100 at most)"
                start = 0 }' "$file"
done > "${TMPDIR:-/tmp}/lint.$$"
[ ! -s "${TMPDIR:-/tmp}/lint.$$" ] || { cat "${TMPDIR:-/tmp}/lint.$$"; bad=1; }
rm -f "${TMPDIR:-/tmp}/lint.$$"

marks=$(grep -nE 'TODO|FIXME|XXX' $sources | grep -v 'mkdtemp\|mkstemp\|XXXXXX')
[ -z "$marks" ] || { echo "$marks"; complain "unfinished marks above"; }

if command -v clang-format >/dev/null 2>&1; then
    for file in $(echo "$sources" | tr ' ' '\n' | grep '\.[ch]$'); do
        clang-format --dry-run --Werror "$file" >/dev/null 2>&1 ||
            complain "$file is not in the house format (make format)"
    done
else
    complain "clang-format is not installed"
fi

[ "$bad" = 0 ] && echo "lint: clean"
exit "$bad"
