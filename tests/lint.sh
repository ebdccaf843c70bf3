#!/bin/sh
# House rules: the dependency ladder read from the includes, headers of other
# libraries in their one place, sizes of files and functions, lines of 80
# columns, unfinished marks, targets that CI does not make, format.
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
# What codegen's own files share, and what it may see of others.
core="codegen/codegen.h codegen/codegen_impl.h codegen/backend.h codegen/cache.h
    codegen/integers.h codegen/plan/kernel.h"
lent="ir/ runtime/exec/abi.def runtime/exec/plan.h runtime/exec/code.h
    runtime/exec/cpu.h
    runtime/exec/cpu.def"
# shellcheck disable=SC2086
ladder_out=$(
    ladder ir/base ir/base/
    ladder ir ir/
    ladder passes passes/ ir/
    ladder frontend/lang frontend/lang/ ir/ runtime/data/augment.def
    # The neutral half knows no target but by backend.h; nobody but codegen
    # knows more of it than codegen.h says.
    ladder codegen $core $lent
    ladder codegen/plan codegen/plan/ $core $lent
    ladder codegen/cpu codegen/ $lent
    ladder runtime/base runtime/base/
    ladder runtime/exec runtime/exec/ runtime/base/
    ladder runtime/data runtime/data/ runtime/exec/ runtime/base/
    ladder runtime/files runtime/files/ runtime/data/ runtime/exec/ runtime/base/
    ladder runtime/monitor runtime/monitor/ runtime/data/ runtime/base/
    ladder runtime/train runtime/
    ladder runtime/bundle runtime/
    ladder frontend/cli frontend/ ir/ passes/ codegen/codegen.h \
        codegen/cache.h runtime/
    ladder bench bench/ frontend/ ir/ passes/ codegen/codegen.h runtime/
)
[ -z "$ladder_out" ] || { echo "$ladder_out"; bad=1; }

# below HEADER FILE...: these files of frontend/lang are called by what the
# header declares, and call none of it (see frontend/lang/sema.h).
below() {
    header=frontend/lang/$1
    shift
    for file in "$@"; do
        grep -q "^#include \"$header\"" frontend/lang/$file &&
            complain "frontend/lang/$file may not include $header"
    done
}
leaves="sema_error.c sema_frame.c sema_import.c sema_library.c sema_tensor.c
    builtins_args.c builtins_number.c builtins_tensor.c reads.c value.c"
# shellcheck disable=SC2086
below eval.h $leaves
# shellcheck disable=SC2086
below elaborate.h $leaves sema_lookup.c sema_param.c sema_expr.c sema_call.c \
    sema_stmt.c sema_variable.c sema_teacher.c sema_input.c sema_phase_stmt.c

# only_in HEADER PATTERN WHERE: a library's header stays in one place.
only_in() {
    found=$(grep -rlE "#include <$1" ir passes codegen runtime frontend |
        grep -vE "^$2" | tr '\n' ' ')
    [ -z "$found" ] || complain "$1 is included outside $2: $found"
}
only_in llvm-c codegen/cpu/
only_in mpi.h runtime/exec/ranks_mpi.c
only_in cblas.h runtime/exec/calls.c
only_in png.h runtime/data/image_png.c
only_in jpeglib.h runtime/data/image_jpeg.c
only_in zlib.h "runtime/(data/dataset_idx.c|files/unzip.c)"

# How many channels lie side by side is the target's to say: no number of them
# outside codegen/cpu, in code. (MOST_FREE_DEPTH is a depth.)
for file in ir/conv.[ch] ir/image.h ir/shape_window.c ir/eval_conv.c passes/layout* \
    codegen/*.[ch] codegen/plan/*; do
    sed 's#//.*##' "$file" | grep -nw 16 | grep -v MOST_FREE_DEPTH |
        sed "s#^#lint: $file:#"
done > "${TMPDIR:-/tmp}/lint.$$"
[ ! -s "${TMPDIR:-/tmp}/lint.$$" ] || {
    cat "${TMPDIR:-/tmp}/lint.$$"
    complain "a width of blocks outside the target, above"
}
rm -f "${TMPDIR:-/tmp}/lint.$$"

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

# What nothing runs rots: CI makes every target that `make help` lists. A line
# of the help reads `## make TARGET: ...`, one of CI `make VARIABLE=... TARGET`;
# plain `make` is the target `all`.
made=" $(sed -n 's/#.*//; s/^make\>//p' .ci/run | while read -r words; do
    targets=
    for word in $words; do
        case $word in *=*) ;; *) targets="$targets $word" ;; esac
    done
    echo "${targets:-all}"
done | tr '\n' ' ') "
for target in $(sed -n 's/^## make:.*/all/; s/^## make \([a-z-]*\):.*/\1/p; /^all$/p' Makefile); do
    case $made in
    *" $target "*) ;;
    *) complain "nothing in .ci/run makes the target $target of \`make help\`" ;;
    esac
done

# Programs; those in tests/golden are wrong on purpose.
"${BUILD:-build}/simcc" fmt --check -q \
    $(find models bench docs tests/reference tests/e2e -name '*.net') ||
    complain "programs above are not in the house format (make format)"

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
