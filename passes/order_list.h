// A list that knows in constant time which of two items comes first, while
// items are added and moved: order maintenance by labels.
#ifndef SIMCC_PASSES_ORDER_LIST_H
#define SIMCC_PASSES_ORDER_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct OrderItem {
    int64_t label; // grows along the list
    int previous, next;
} OrderItem;

// Items are numbers 1 .. capacity; 0 is the list's head, before all of them.
typedef struct OrderList {
    OrderItem *items;
} OrderList;

OrderList order_list_new(Arena *arena, int capacity);
// Puts an item that is in no list after `place` (0 = first).
void order_list_insert(OrderList *list, int item, int place);
void order_list_append(OrderList *list, int item);
void order_list_remove(OrderList *list, int item);
static inline bool order_list_before(const OrderList *list, int a, int b)
{
    return list->items[a].label < list->items[b].label;
}
// The item after `item` (0: the first), or 0 at the end.
static inline int order_list_next(const OrderList *list, int item)
{
    return list->items[item].next;
}

#endif
