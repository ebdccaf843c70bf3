#include "passes/order_list.h"

// A gap takes at least 20 insertions at one place, halving it each time; when
// one is used up all labels are dealt out anew, which costs a walk.
#define GAP ((int64_t)1 << 20)

OrderList order_list_new(Arena *arena, int capacity)
{
    return (OrderList){ARENA_ARRAY(arena, OrderItem, capacity + 1)};
}

static void relabel(OrderList *list)
{
    int64_t label = 0;
    for (int at = list->items[0].next; at; at = list->items[at].next)
        list->items[at].label = label += GAP;
}

void order_list_insert(OrderList *list, int item, int place)
{
    OrderItem *items = list->items;
    int next = items[place].next;
    items[item].previous = place;
    items[item].next = next;
    items[place].next = item;
    items[next].previous = item;
    if (!next) { // the head is also what follows the last item
        items[item].label = items[place].label + GAP;
        return;
    }
    items[item].label = (items[place].label + items[next].label) / 2;
    if (items[item].label == items[place].label)
        relabel(list);
}

void order_list_append(OrderList *list, int item)
{
    order_list_insert(list, item, list->items[0].previous);
}

void order_list_remove(OrderList *list, int item)
{
    OrderItem *items = list->items;
    items[items[item].previous].next = items[item].next;
    items[items[item].next].previous = items[item].previous;
}
