#!/bin/sh
# The tables of docs/study.md from results.tsv: percent right of the test
# images, mean and standard deviation over the seeds there are.
awk -F'\t' '
    $5 != "pretrain" {
        key = $1 "\t" $2 "\t" $4 "\t" $5
        count[key]++; sum[key] += 100 * $6; square[key] += 1e4 * $6 * $6
    }
    function cell(set, filters, labels, method,   key, n, mean, spread) {
        key = set "\t" filters "\t" labels "\t" method
        n = count[key]
        if (!n) return "-"
        mean = sum[key] / n
        if (n == 1) return sprintf("%.1f", mean)
        spread = square[key] / n - mean * mean
        return sprintf("%.1f ± %.1f", mean, sqrt((spread > 0 ? spread : 0) * n / (n - 1)))
    }
    END {
        sets = split("cifar10 fashion", set, " ")
        widths = split("16 32", filters, " ")
        budgets = split("10 1% 10%", labels, " ")
        methods = split("scratch finetune headless linear knn selfdistill distill", method, " ")
        for (s = 1; s <= sets; s++)
            for (f = widths; f >= 1; f--) {
                printf "\n| %s, %d filters |", set[s], filters[f]
                for (b = 1; b <= budgets; b++) printf " %s |", labels[b]
                printf "\n|---|---|---|---|\n"
                for (m = 1; m <= methods; m++) {
                    if (method[m] == "distill" && filters[f] == 16) continue
                    printf "| %s |", method[m]
                    for (b = 1; b <= budgets; b++)
                        printf " %s |", cell(set[s], filters[f], labels[b], method[m])
                    printf "\n"
                }
            }
    }' "${1:-$(dirname "$0")/results.tsv}"
