// What is being run: the names of bodies, and the graph that grows.
#include "frontend/lang/frame.h"
#include "frontend/lang/phase.h"

// A recycled frame keeps the storage of its names and bindings and nothing
// else.
Frame *frame_push(Sema *s, FrameKind kind, const Module *module,
                  const char *what, SourcePos call_pos)
{
    Frame *frame = s->free_frames;
    if (frame)
        s->free_frames = frame->next_free;
    else
        frame = ARENA_NEW(s->arena, Frame);
    frame->names.arena = s->arena;
    map_clear(&frame->names);
    frame->kind = kind;
    frame->caller = s->frame;
    frame->module = module;
    frame->what = what;
    frame->call_pos = call_pos;
    frame->used = 0;
    frame->returned = frame->damaged = false;
    frame->result = datum_none();
    frame->weight = NULL;
    s->frame = frame;
    return frame;
}

void frame_pop(Sema *s)
{
    Frame *frame = s->frame;
    s->frame = frame->caller;
    frame->next_free = s->free_frames;
    s->free_frames = frame;
}

Binding *frame_find(const Frame *frame, const char *name)
{
    return frame ? map_get(&frame->names, name) : NULL;
}

Binding *frame_bind(Sema *s, Frame *frame, const char *name, Datum value,
                    SourcePos pos)
{
    Binding *binding = map_get(&frame->names, name);
    if (!binding) {
        if (frame->used == frame->pool.count)
            vec_push(s->arena, &frame->pool, ARENA_NEW(s->arena, Binding));
        binding = frame->pool.at[frame->used++];
        map_set(&frame->names, name, binding);
    }
    *binding = (Binding){value, pos, NULL};
    return binding;
}

Build *build_enter(Sema *s, Build *build)
{
    Build *outer = s->build;
    s->build = build;
    return outer;
}
