// Kernels that go over the same values, one behind the other.
//
// The gradient of a norm sums over images first and goes over them again with
// what follows from the sums; between the two stand the optimizer's steps on
// the norm's weights. The plan runs kernels of the same values as a chain, if
// they follow one another (codegen/plan/chain.c): what is small and need not
// stand between goes behind.
#include <stdlib.h>
#include <string.h>

#include "passes/fuse.h"

static bool is_small(const Fuse *f, int unit)
{
    return f->units[unit].anchor == NO_VALUE && !f->units[unit].closed &&
           type_elements(f->units[unit].space) <= EARLY_ELEMENTS;
}

static bool needs(const Fuse *f, int unit, int other)
{
    const Unit *u = &f->units[unit];
    for (int m = 0; m < u->members.count; m++) {
        Value v = u->members.at[m];
        for (int i = f->before.first[v]; i < f->before.first[v + 1]; i++)
            if (f->unit_of[f->before.at[i].kernel] == other)
                return true;
    }
    return false;
}

// The units between a large one with a reduction and the next of the same dims,
// and that one: their number, or 0 where others are in the way, or none is.
static int list_between(const Fuse *f, int unit, int *list)
{
    const Unit *u = &f->units[unit];
    int count = 0;
    if (u->reduce == NO_VALUE || u->anchor != NO_VALUE || is_small(f, unit))
        return 0;
    for (int next = order_list_next(&f->order, unit); next && count < WINDOW;
         next = order_list_next(&f->order, next)) {
        list[count++] = next;
        if (!f->units[next].closed && f->units[next].anchor == NO_VALUE &&
            type_same_dims(u->space, f->units[next].space))
            return count;
        if (!is_small(f, next))
            return 0;
    }
    return 0;
}

// Of a unit that stays between, what none of the units listed behind it needs
// becomes a unit of its own, if that holds a reduction: a number made of all
// channels ends a chain over them. Returns the new unit, or 0.
static int split_unneeded(Fuse *f, int unit, int count, const int *list,
                          const bool *stays)
{
    Unit *u = &f->units[unit];
    bool *needed = ARENA_ARRAY(f->scratch, bool, u->members.count);
    bool reduces = false;
    qsort(u->members.at, (size_t)u->members.count, sizeof *u->members.at,
          fuse_compare_values);
    for (int m = u->members.count - 1; m >= 0; m--) {
        Value v = u->members.at[m];
        for (int i = f->after.first[v]; i < f->after.first[v + 1]; i++) {
            int user = f->unit_of[f->after.at[i].kernel];
            for (int j = 0; j < count; j++)
                needed[m] |= stays[j] && list[j] == user;
            for (int n = m + 1; n < u->members.count; n++)
                needed[m] |=
                    needed[n] && u->members.at[n] == f->after.at[i].kernel;
        }
        reduces |= !needed[m] && fuse_class(f, v) == LOWER_REDUCE;
    }
    if (!reduces)
        return 0;
    Unit whole = *u;
    int behind = ++f->unit_count;
    memset(&u->members, 0, sizeof u->members);
    u->reduce = NO_VALUE;
    u->last = 0;
    f->units[behind] = *u;
    for (int m = 0; m < whole.members.count; m++)
        fuse_add_member(f, needed[m] ? unit : behind, whole.members.at[m]);
    return behind;
}

void fuse_chains(Fuse *f)
{
    int list[WINDOW];
    bool stays[WINDOW];
    for (int unit = order_list_next(&f->order, 0); unit;
         unit = order_list_next(&f->order, unit)) {
        int last = list_between(f, unit, list) - 1;
        for (int i = last; i >= 0; i--) {
            stays[i] = i == last;
            for (int j = i + 1; j <= last && !stays[i]; j++)
                stays[i] = stays[j] && needs(f, list[j], list[i]);
        }
        int place = last < 0 ? 0 : list[last];
        for (int i = 0; i < last; i++) {
            int moved = list[i];
            if (!stays[i])
                order_list_remove(&f->order, moved);
            else
                moved = split_unneeded(f, moved, last - i, list + i + 1,
                                       stays + i + 1);
            if (moved) {
                order_list_insert(&f->order, moved, place);
                place = moved;
            }
        }
    }
}
