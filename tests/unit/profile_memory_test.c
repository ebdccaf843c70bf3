// What of a step's memory holds something, by its plan.
#include "frontend/cli/profile.h"
#include "tests/harness.h"

enum { STEPS = 4 };

// A plan with one argument a step that is written and, behind it, those that
// are read; what step s writes has the bytes of bytes[s] elements of f32.
static void check_live(const int64_t writes[STEPS],
                       const int64_t elements[STEPS],
                       const int64_t reads[STEPS], const int64_t want[STEPS])
{
    PlanStep steps[STEPS] = {0};
    PlanRef refs[2 * STEPS] = {0};
    PlanValue values[STEPS] = {0};
    PlanPort input = {.tensor = {.name = "images", .bytes = 400}, .offset = 0};
    PlanPort output = {.tensor = {.name = "loss", .bytes = 4}, .offset = 800};
    Plan plan = {.step_count = STEPS,
                 .steps = steps,
                 .refs = refs,
                 .ref_count = 2 * STEPS,
                 .values = values,
                 .value_count = STEPS,
                 .inputs = &input,
                 .input_count = 1,
                 .outputs = &output,
                 .output_count = 1};
    int64_t live[STEPS];
    Arena *arena = arena_new();
    for (int s = 0; s < STEPS; s++) {
        steps[s] = (PlanStep){.first_arg = 2 * s, .arg_count = 2};
        refs[2 * s] = (PlanRef){.space = PLAN_SLAB, .offset = reads[s]};
        refs[2 * s + 1] = (PlanRef){.space = PLAN_SLAB, .offset = writes[s]};
        values[s] = (PlanValue){
            .step = s, .at = refs[2 * s + 1], .elements = elements[s]};
    }
    profile_live_bytes(&plan, arena, live);
    for (int s = 0; s < STEPS; s++)
        CHECK_INT(live[s], want[s]);
    arena_free(arena);
}

// Images of 400 bytes are read by steps 0 and 1; what step 0 makes is read by
// 2, in place of which step 2 writes; the loss stays.
TEST(live_bytes_are_those_still_read)
{
    check_live((int64_t[]){400, 600, 400, 800}, (int64_t[]){50, 50, 50, 1},
               (int64_t[]){0, 0, 400, 600},
               (int64_t[]){400 + 200, 400 + 200 + 200, 200 + 200, 200 + 4});
}

// A slice is read from the middle; memory of what is read no more is used
// again.
TEST(live_bytes_follow_memory_that_is_used_again)
{
    check_live((int64_t[]){400, 0, 800, 804}, (int64_t[]){100, 100, 1, 1},
               (int64_t[]){0, 600, 100, 804},
               (int64_t[]){400 + 400, 400 + 400, 400 + 4, 4 + 4});
}
