#!/bin/sh
# The tables and the picture of docs/study.md's second study, of three sizes.
#
#   docs/study/sizes_table.sh [RESULTS]
#
# prints tables of sizes.tsv beside this script, or of RESULTS, and draws
# sizes.svg beside it. Of several seeds an interval is Student's of their mean;
# of one it is the normal interval of that share of 10,000 test images, which
# knows nothing of other seeds, and is in brackets. What has not been run is -.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here/sizes.tsv}
LC_ALL=C awk -F'\t' -v svg="${results%.tsv}.svg" '
function half(n, s) { # of a 95% interval of a mean of n
    return n > 1 ? students[n - 1] * s / sqrt(n) : 0
}
# The mean of a cell of a table, in percent; its interval is in `wide`.
function mean_of(size, labels, method,   key, n, m, s) {
    key = size SUBSEP labels SUBSEP method
    n = count[key]
    if (!n) return ""
    m = sum[key] / n
    if (n == 1) {
        wide = 1.96 * sqrt(m * (100 - m) / 10000)
        return m
    }
    s = square[key] / n - m * m
    wide = half(n, sqrt((s > 0 ? s : 0) * n / (n - 1)))
    return m
}
function cell(size, labels, method,   m, n) {
    m = mean_of(size, labels, method)
    n = count[size SUBSEP labels SUBSEP method]
    if (m == "") return "-"
    return sprintf(n > 1 ? "%.1f ± %.1f (%d)" : "%.1f [± %.1f]", m, wide, n)
}
# What a method gains of one over another, or a size over the smallest, by
# seeds that have both.
function gain(size, labels, method, other_size, other,   n, s, q, d, seed, m) {
    n = s = q = 0
    for (seed = 1; seed <= most; seed++) {
        if (!((size, labels, method, seed) in value) ||
            !((other_size, labels, other, seed) in value))
            continue
        d = value[size, labels, method, seed] - value[other_size, labels, other, seed]
        n++; s += d; q += d * d
    }
    if (!n) return "-"
    m = s / n
    if (n == 1) return sprintf("%+.1f", m)
    q = q / n - m * m
    return sprintf("%+.1f ± %.1f", m, half(n, sqrt((q > 0 ? q : 0) * n / (n - 1))))
}
function out(text) { print text > svg }
function x_of(size) { return left + 60 + 100 * log(size / 16) / log(2) }
function y_of(v) { return 340 - (v - low) * 280 / (high - low) }
function point(size, v, w, hollow, class) {
    if (w > 0)
        out(sprintf("<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>", class,
                    x_of(size), y_of(v - w), y_of(v + w)))
    out(sprintf("<circle class=\"%s%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
                class, hollow ? " hollow" : "", x_of(size), y_of(v)))
}
function axes(title, step,   v, i) {
    out(sprintf("<text class=\"title\" x=\"%d\" y=\"30\">%s</text>", left + 20, title))
    for (v = low; v <= high + 1e-9; v += step) {
        out(sprintf("<path class=\"grid\" d=\"M%d %.1fh280\"/>", left + 20, y_of(v)))
        out(sprintf("<text class=\"end\" x=\"%d\" y=\"%.1f\">%g</text>", left + 14, y_of(v) + 4, v))
    }
    for (i = 1; i <= sizes; i++)
        out(sprintf("<text class=\"middle\" x=\"%.1f\" y=\"362\">%d</text>", x_of(size[i]), size[i]))
    out(sprintf("<text class=\"middle\" x=\"%d\" y=\"382\">filters</text>", left + 160))
}
function line(from, to, a, b, class, dashed) {
    if (a != "" && b != "")
        out(sprintf("<path class=\"%s%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", class,
                    dashed ? " dashed" : "", x_of(from), y_of(a), x_of(to), y_of(b)))
}
function draw(   b, i, m, v, before) {
    out("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 400\" font-family=\"sans-serif\" font-size=\"12\">")
    out("<style>.bg{fill:#fff}text{fill:#222}.title{font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}")
    out("path{fill:none;stroke-width:2}.grid{stroke:#ddd;stroke-width:1}.dashed{stroke-dasharray:5 4}")
    for (b = 1; b <= budgets; b++)
        out(sprintf(".c%d{stroke:%s}circle.c%d{fill:%s}.c%d.hollow{fill:#fff;stroke-width:2}", b, color[b], b, color[b], b))
    out("</style><rect class=\"bg\" width=\"900\" height=\"400\"/>")
    left = 20; low = 30; high = 80
    axes("Test images right, %", 10)
    for (b = 1; b <= budgets; b++)
        for (m = 1; m <= 2; m++) {
            before = ""
            for (i = 1; i <= sizes; i++) {
                v = mean_of(size[i], labels[b], m == 1 ? "finetune" : "scratch")
                if (i > 1) line(size[i - 1], size[i], before, v, "c" b, m == 2)
                if (v != "") point(size[i], v, wide, m == 2, "c" b)
                before = v
            }
        }
    left = 380; low = -5; high = 25
    axes("Gain of a larger net when fine-tuned, %", 5)
    for (b = 1; b <= budgets; b++) {
        first = mean_of(16, labels[b], "finetune")
        before = first == "" ? "" : 0
        for (i = 1; i <= sizes; i++) {
            v = first == "" ? "" : mean_of(size[i], labels[b], "finetune")
            v = v == "" ? "" : 100 * (v / first - 1)
            if (i > 1) line(size[i - 1], size[i], before, v, "c" b, 0)
            if (v != "") point(size[i], v, 0, 0, "c" b)
            before = v
        }
    }
    for (b = 1; b <= budgets; b++) {
        out(sprintf("<circle class=\"c%d\" cx=\"730\" cy=\"%d\" r=\"4\"/>", b, 60 + 20 * b))
        out(sprintf("<text x=\"748\" y=\"%d\">%s of the labels</text>", 64 + 20 * b, word[b]))
    }
    for (m = 0; m < 2; m++) {
        out(sprintf("<path class=\"c1%s\" d=\"M718 %dh24\"/>", m ? " dashed" : "", 160 + 20 * m))
        out(sprintf("<circle class=\"c1%s\" cx=\"730\" cy=\"%d\" r=\"4\"/>", m ? " hollow" : "", 160 + 20 * m))
        out(sprintf("<text x=\"748\" y=\"%d\">%s</text>", 164 + 20 * m, m ? "supervised" : "fine-tuned"))
    }
    out("</svg>")
}
BEGIN {
    split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262", students, " ")
    sizes = split("16 32 64", size, " ")
    budgets = split("1% 10% all", labels, " ")
    split("1% 10% 100%", word, " ")
    split("#b03a2e #1f618d #1e8449", color, " ")
    methods = split("scratch finetune selfdistill", method, " ")
    split("supervised,fine-tuned,distilled", spoken, ",")
}
$5 != "pretrain" {
    key = $2 SUBSEP $4 SUBSEP $5
    count[key]++; sum[key] += 100 * $6; square[key] += 1e4 * $6 * $6
    value[$2, $4, $5, $3] = 100 * $6
    if ($3 > most) most = $3
}
END {
    for (i = 1; i <= sizes; i++) {
        printf "\n| %d filters | 1%% | 10%% | 100%% |\n|---|---|---|---|\n", size[i]
        for (m = 1; m <= methods; m++) {
            printf "| %s |", spoken[m]
            for (b = 1; b <= budgets; b++) printf " %s |", cell(size[i], labels[b], method[m])
            printf "\n"
        }
    }
    printf "\n| fine-tuned less supervised | 1%% | 10%% | 100%% |\n|---|---|---|---|\n"
    for (i = 1; i <= sizes; i++) {
        printf "| %d filters |", size[i]
        for (b = 1; b <= budgets; b++)
            printf " %s |", gain(size[i], labels[b], "finetune", size[i], "scratch")
        printf "\n"
    }
    for (m = 1; m <= methods; m++) {
        printf "\n| %s, gain over 16 filters | 1%% | 10%% | 100%% |\n|---|---|---|---|\n", spoken[m]
        for (i = 2; i <= sizes; i++) {
            printf "| %d filters |", size[i]
            for (b = 1; b <= budgets; b++)
                printf " %s |", gain(size[i], labels[b], method[m], 16, method[m])
            printf "\n"
        }
    }
    draw()
}' "$results"
