#!/bin/sh
# The table of operations tells the truth: a row added to ir/ops.def whose rule
# is missing does not compile, whichever column or lowering class it is.
. tests/e2e/lib.sh

llvm=${LLVM:-/usr/lib/llvm-19}
mkdir -p "$work/ir"

# mutant SHAPE GRAD EVAL ROWS LAYOUT PRECISION CLASS: the table with one more row.
mutant() {
    {
        cat ir/ops.def
        echo "OP(MUTANT, \"mutant\", 1, none, $1, $2, $3, $4, $5, $6, $7, 0, \"none\")"
    } > "$work/ir/ops.def"
}

# Compiles a file against that table, or the table as it is.
compiles() {
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -fsyntax-only -w -I"$work" -I. -I"$BUILD" \
        -isystem "$llvm/include" "$1" 2> "$work/compiler"
}

# breaks FILE NAME...: it compiles without the row, and with it fails for want
# of NAME.
breaks() {
    mv "$work/ir/ops.def" "$work/ir/mutant"
    compiles "$1" || { cat "$work/compiler"; echo "$1 does not compile"; return 1; }
    mv "$work/ir/mutant" "$work/ir/ops.def"
    compiles "$1" && { echo "$1 compiles without $2"; return 1; }
    grep -q "$2" "$work/compiler" || { cat "$work/compiler"; return 1; }
}

# class CLASS FILE NAME: every column but the class is served.
class() {
    mutant unary zero map each plain full "$1"
    check "mutation_class_$1" breaks "$2" "$3"
}
class LEAF codegen/plan/lower.c leaf_MUTANT
class MAP codegen/cpu/emit_map.c emit_MUTANT
class INDEX codegen/plan/access.c map_MUTANT
class MOVE codegen/plan/loops.c move_MUTANT
class REDUCE codegen/plan/loops.c STORE_OF_MUTANT
class MATMUL codegen/cpu/blas_lower.c product_MUTANT
class ROWS codegen/cpu/rows_lower.c ROWS_MUTANT
class CONV ir/conv.c MADE_BY_MUTANT
class POOL codegen/cpu/pool_emit.c plane_MUTANT
class CALL codegen/cpu/call_lower.c call_MUTANT
class COLLECTIVE codegen/plan/lower.c COLLECTIVE_MUTANT
class NOVEL ir/op.c LOWER_NOVEL

# A view is the same bytes: the class says all there is to say, and so a row of
# it compiles everywhere.
mutant unary zero map each plain full VIEW
view_compiles() {
    for file in codegen/plan/lower.c codegen/plan/access.c codegen/plan/uses.c \
        codegen/cpu/emit_map.c ir/op.c; do
        compiles "$file" || { cat "$work/compiler"; return 1; }
    done
}
check mutation_class_VIEW view_compiles

# Rules of shape, gradient and evaluation stand in several files: what fails is
# the link, for the object wants a symbol that no other has.
unlinked() {
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -w -c -I"$work" -I. -I"$BUILD" \
        -o "$work/object.o" "$1" 2> "$work/compiler" || {
        cat "$work/compiler"
        return 1
    }
    nm -u "$work/object.o" | grep -qw "$2" && ! grep -rqw "$2" ir
}

mutant novel zero map each plain full MAP
check mutation_column_shape unlinked ir/shape.c shape_novel
mutant unary novel map each plain full MAP
check mutation_column_grad unlinked ir/gradients.c grad_novel
mutant unary zero novel each plain full VIEW
check mutation_column_eval unlinked ir/eval.c eval_novel
mutant unary zero map novel plain full MAP
check mutation_column_rows breaks ir/split.c rows_novel
mutant unary zero map each novel full MAP
check mutation_column_layout breaks passes/layout_ops.c layout_novel
mutant unary zero map each plain novel MAP
check mutation_column_precision breaks passes/precision.c precision_novel
# Elementwise ops share the evaluation eval_map, and each has its value there.
mutant unary zero map each plain full MAP
check mutation_value breaks ir/eval.c value_MUTANT
finish
