#include "runtime/files/object_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/files/proto.h"

enum { NODE_LIMIT = 1 << 20, EDGE_LIMIT = 1 << 22 };

static const char leaf[] = "/.ATTRIBUTES/VARIABLE_VALUE";

// TrackableObjectGraph {1 nodes}; TrackableObject {1 children, 2 attributes, 3
// slot variables}; ObjectReference {1 node, 2 name}; SerializedTensor {1 name,
// 2 full name, 3 checkpoint key}.
typedef struct Edge {
    int from, to;
    const uint8_t *name;
    int length;
} Edge;

typedef struct Node {
    const uint8_t *bytes;
    uint64_t size;
    int first; // of its edges
    int way;   // the edge by which it is reached; -1 = the root, or none
    int cost;  // of the way
    bool done;
} Node;

typedef struct Graph {
    TensorFile *file;
    int node_count, edge_count, node_room, edge_room;
    Node *nodes;
    Edge *edges;
    int *queue; // a heap by cost
    int queued;
} Graph;

static Status bad(const Graph *graph, const char *reason)
{
    return status_error(STATUS_DATA,
                        "'%s': its graph of objects is damaged: %s",
                        graph->file->path, reason);
}

static bool grow(void **array, int count, int *room, size_t size)
{
    if (count < *room)
        return true;
    int larger = *room ? *room * 2 : 256;
    void *grown = realloc(*array, (size_t)larger * size);
    if (!grown)
        return false;
    *array = grown;
    *room = larger;
    return true;
}

// ---- reading ----------------------------------------------------------------

static Status read_child(Graph *graph, int from, const ProtoField *child)
{
    ProtoReader reader = proto_inside(child);
    ProtoField field;
    Edge edge = {.from = from};
    uint64_t to = 0;
    while (proto_next(&reader, &field)) {
        if (field.number == 1)
            to = field.value;
        if (field.number == 2 && field.bytes && field.value < TENSOR_NAME) {
            edge.name = field.bytes;
            edge.length = (int)field.value;
        }
    }
    if (reader.bad || to >= (uint64_t)graph->node_count)
        return bad(graph, "a child is none of its objects");
    edge.to = (int)to;
    if (graph->edge_count == EDGE_LIMIT)
        return bad(graph, "it has more children than any model");
    if (!grow((void **)&graph->edges, graph->edge_count, &graph->edge_room,
              sizeof *graph->edges))
        return tensors_no_memory(graph->file);
    graph->edges[graph->edge_count++] = edge;
    return status_ok();
}

static Status read_nodes(Graph *graph, const uint8_t *bytes, uint64_t size)
{
    ProtoReader reader = proto_reader(bytes, size);
    ProtoField field;
    while (proto_next(&reader, &field)) {
        if (field.number != 1 || !field.bytes)
            continue;
        if (graph->node_count == NODE_LIMIT)
            return bad(graph, "it has more objects than any model");
        if (!grow((void **)&graph->nodes, graph->node_count, &graph->node_room,
                  sizeof *graph->nodes))
            return tensors_no_memory(graph->file);
        graph->nodes[graph->node_count++] =
            (Node){.bytes = field.bytes, .size = field.value, .way = -1};
    }
    if (reader.bad || !graph->node_count)
        return bad(graph, "it is malformed");
    for (int i = 0; i < graph->node_count; i++) {
        Node *node = &graph->nodes[i];
        reader = proto_reader(node->bytes, node->size);
        node->first = graph->edge_count;
        while (proto_next(&reader, &field))
            if (field.number == 1)
                TRY(read_child(graph, i, &field));
        if (reader.bad)
            return bad(graph, "an object is malformed");
    }
    return status_ok();
}

// ---- ways -------------------------------------------------------------------

// Keras lists the same variables and layers again under names of its own. A
// way by those is taken only where there is no other.
static int edge_cost(const Edge *edge)
{
    static const char *const lists[] = {"variables",
                                        "trainable_variables",
                                        "non_trainable_variables",
                                        "keras_api",
                                        "regularization_losses",
                                        "layer-",
                                        "layer_with_weights-",
                                        "layer_metrics",
                                        "layer_regularization_losses",
                                        "signatures",
                                        "_self_",
                                        "_all_",
                                        "_trainable_",
                                        "_non_trainable_"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        int length = (int)strlen(lists[i]);
        bool begin = lists[i][length - 1] == '-' || lists[i][0] == '_';
        if (begin ? edge->length >= length : edge->length == length)
            if (memcmp(edge->name, lists[i], (size_t)length) == 0)
                return 1000;
    }
    return 1;
}

static bool before(const Graph *graph, int a, int b)
{
    int x = graph->nodes[a].cost, y = graph->nodes[b].cost;
    return x != y ? x < y : a < b;
}

static void swap(int *a, int *b)
{
    int kept = *a;
    *a = *b;
    *b = kept;
}

static void push(Graph *graph, int node)
{
    int *heap = graph->queue, at = graph->queued++;
    heap[at] = node;
    for (; at && before(graph, heap[at], heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static int pop(Graph *graph)
{
    int *heap = graph->queue, top = heap[0], at = 0;
    heap[0] = heap[--graph->queued];
    for (int child; (child = 2 * at + 1) < graph->queued; at = child) {
        if (child + 1 < graph->queued &&
            before(graph, heap[child + 1], heap[child]))
            child++;
        if (!before(graph, heap[child], heap[at]))
            break;
        swap(&heap[child], &heap[at]);
    }
    return top;
}

// The cheapest way from the root to every object. Costs change while an object
// waits: it is queued again then, at most once for each child there is.
static Status find_ways(Graph *graph)
{
    size_t room = (size_t)graph->edge_count + 2;
    graph->queue = malloc(room * sizeof *graph->queue);
    if (!graph->queue)
        return tensors_no_memory(graph->file);
    push(graph, 0);
    while (graph->queued) {
        int at = pop(graph);
        Node *node = &graph->nodes[at];
        if (node->done)
            continue;
        node->done = true;
        int end = at + 1 < graph->node_count ? graph->nodes[at + 1].first
                                             : graph->edge_count;
        for (int i = node->first; i < end; i++) {
            Node *child = &graph->nodes[graph->edges[i].to];
            int cost = node->cost + edge_cost(&graph->edges[i]);
            if (child->done || graph->edges[i].to == 0 ||
                (child->way >= 0 && child->cost <= cost))
                continue;
            child->way = i;
            child->cost = cost;
            push(graph, graph->edges[i].to);
        }
    }
    return status_ok();
}

// Writes "a/b/c" from the back; false when there is no way or no room.
static bool write_way(const Graph *graph, int node, char name[TENSOR_NAME])
{
    char text[TENSOR_NAME];
    size_t at = sizeof text;
    for (; node; node = graph->edges[graph->nodes[node].way].from) {
        int way = graph->nodes[node].way;
        if (way < 0)
            return false;
        size_t length = (size_t)graph->edges[way].length;
        if (length + 1 > at)
            return false;
        at -= length;
        if (length)
            memcpy(text + at, graph->edges[way].name, length);
        text[--at] = '/';
    }
    size_t size = sizeof text - at;
    if (!size || size + sizeof leaf > TENSOR_NAME ||
        memchr(text + at, '\0', size))
        return false;
    memcpy(name, text + at + 1, size - 1);
    strcpy(name + size - 1, leaf);
    return true;
}

// ---- names ------------------------------------------------------------------

typedef struct Key {
    char text[64];
    int entry;
} Key;

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const Key *)a)->text, ((const Key *)b)->text);
}

// The tensors whose keys are numbers, by key.
static Status list_keys(const Graph *graph, Key **keys, int *count)
{
    const TensorFile *file = graph->file;
    *count = 0;
    *keys = malloc(((size_t)file->count + 1) * sizeof **keys);
    if (!*keys)
        return tensors_no_memory(file);
    for (int i = 0; i < file->count; i++) {
        const char *name = file->entries[i].tensor.name;
        int number, length = 0;
        if (sscanf(name, "variables/%d%n", &number, &length) == 1 &&
            strcmp(name + length, leaf) == 0 &&
            strlen(name) < sizeof(*keys)->text) {
            strcpy((*keys)[*count].text, name);
            (*keys)[(*count)++].entry = i;
        }
    }
    if (*count)
        qsort(*keys, (size_t)*count, sizeof **keys, compare_keys);
    return status_ok();
}

static Status name_attribute(Graph *graph, int node,
                             const ProtoField *attribute, const Key *keys,
                             int count)
{
    ProtoReader reader = proto_inside(attribute);
    ProtoField field;
    Key wanted = {.text = ""};
    char name[TENSOR_NAME];
    while (proto_next(&reader, &field))
        if (field.number == 3 && field.bytes &&
            field.value < sizeof wanted.text) {
            memcpy(wanted.text, field.bytes, field.value);
            wanted.text[field.value] = '\0';
        }
    const Key *key = count ? bsearch(&wanted, keys, (size_t)count, sizeof *keys,
                                     compare_keys)
                           : NULL;
    if (!key || !write_way(graph, node, name))
        return status_ok();
    char *copy = strdup(name);
    if (!copy)
        return tensors_no_memory(graph->file);
    SafeTensor *tensor = &graph->file->entries[key->entry].tensor;
    free((char *)tensor->name);
    tensor->name = copy;
    return status_ok();
}

static Status name_all(Graph *graph, const uint8_t *bytes, uint64_t size)
{
    Key *keys = NULL;
    int count = 0;
    TRY(list_keys(graph, &keys, &count));
    Status status = status_ok();
    if (count) {
        snprintf(graph->file->writer, sizeof graph->file->writer,
                 "tf.saved_model.save");
        graph->file->format = "a TensorFlow saved model";
        status = read_nodes(graph, bytes, size);
        if (status.code == STATUS_OK)
            status = find_ways(graph);
    }
    for (int i = 0; i < graph->node_count && status.code == STATUS_OK; i++) {
        ProtoReader reader =
            proto_reader(graph->nodes[i].bytes, graph->nodes[i].size);
        ProtoField field;
        while (status.code == STATUS_OK && proto_next(&reader, &field))
            if (field.number == 2)
                status = name_attribute(graph, i, &field, keys, count);
    }
    free(keys);
    return status;
}

Status object_graph_name(TensorFile *file, const uint8_t *bytes, uint64_t size)
{
    Graph graph = {.file = file};
    Status status = name_all(&graph, bytes, size);
    free(graph.nodes);
    free(graph.edges);
    free(graph.queue);
    return status;
}
