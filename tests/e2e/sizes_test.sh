#!/bin/sh
# The thirteen published models: trainable parameters of backbone and head,
# the backbone's with moving statistics, and multiply-adds at 224 pixels.
. tests/e2e/lib.sh

# sizes DEPTH WIDTH SK TRAINABLE WITH_STATE HEAD GMACS
sizes() {
    "$simcc" summary models/simclrv2.net --phase pretrain --json --set \
        depth="$1" width="$2" sk_ratio="$3" pretrain.batch=2 > "$work/json" ||
        return 1
    backbone=$(sed 's/.*"backbone":{\([^}]*\)}.*/\1/' "$work/json")
    head=$(sed 's/.*"head":{\([^}]*\)}.*/\1/' "$work/json")
    echo "backbone $backbone head $head"
    macs=$(echo "$backbone" | sed 's/.*"macs":\([0-9]*\).*/\1/')
    case $backbone in *"\"trainable\":$4,"*) ;; *) return 1 ;; esac
    case $backbone in *"\"with_state\":$5,"*) ;; *) return 1 ;; esac
    case $head in *"\"trainable\":$6,"*) ;; *) return 1 ;; esac
    # The listed figures are rounded to three digits or one decimal.
    [ "$7" = - ] || awk -v macs="$macs" -v want="$7" 'BEGIN {
        got = macs / 1e9
        exit !((got - want) ^ 2 <= (want * 0.006) ^ 2) }'
}

sk=0.0625
check sizes_r50_1x_sk0 sizes 50 1 0.0 23508032 23561152 8659072 4.09
check sizes_r50_1x_sk1 sizes 50 1 $sk 35215584 35277408 8659072 6.18
check sizes_r50_2x_sk0 sizes 50 2 0.0 93907072 94013312 34095232 16.1
check sizes_r50_2x_sk1 sizes 50 2 $sk 140306048 140428864 34095232 24.7
check sizes_r101_1x_sk0 sizes 101 1 0.0 42500160 42605504 8659072 7.80
check sizes_r101_1x_sk1 sizes 101 1 $sk 64662304 64786144 8659072 11.9
check sizes_r101_2x_sk0 sizes 101 2 0.0 169771136 169981824 34095232 -
check sizes_r101_2x_sk1 sizes 101 2 $sk 257132224 257377984 34095232 -
check sizes_r152_1x_sk0 sizes 152 1 0.0 58143808 58295232 8659072 11.5
check sizes_r152_1x_sk1 sizes 152 1 $sk 88940896 89119584 8659072 17.5
check sizes_r152_2x_sk0 sizes 152 2 0.0 232253568 232556416 34095232 -
check sizes_r152_2x_sk1 sizes 152 2 $sk 353398528 353752896 34095232 70.1
check sizes_r152_3x_sk1 sizes 152 3 $sk 794704160 795235360 76308608 157.7
finish
