// What more threads would make of a step that was measured on a few.
#include "frontend/cli/profile.h"

// How long the tasks of one step of the plan took, on all threads together, in
// the last round.
static double busy_seconds(const Profile *profile, int s)
{
    double busy = 0;
    for (int t = 0; t < pool_threads(profile->pool); t++)
        busy += executor_spans(profile->executor, t)[s].seconds;
    return busy;
}

ProfileThreads profile_threads(const Profile *profile, int threads)
{
    const Plan *plan = profile->plan;
    double seconds = 0, busy = 0;
    for (int s = 0; s < plan->step_count; s++) {
        double all = busy_seconds(profile, s);
        double tasks = (double)plan->steps[s].task_count;
        // The most tasks that a thread has (pool_split).
        double most =
            (double)((plan->steps[s].task_count + threads - 1) / threads);
        seconds += all / tasks * most;
        busy += all;
    }
    double idle = seconds > 0 ? 1 - busy / (threads * seconds) : 0;
    return (ProfileThreads){threads, seconds, idle > 0 ? idle : 0};
}

void profile_print_threads(const Profile *profile)
{
    printf("\non more threads, if tasks took as long as here and barriers "
           "nothing:\n");
    for (int i = 0; profile_thread_counts[i]; i++) {
        ProfileThreads t = profile_threads(profile, profile_thread_counts[i]);
        printf("%9d threads: %.3f ms, %.0f%% of their time without a task\n",
               t.threads, 1e3 * t.seconds, 100 * t.idle);
    }
}

void profile_json_threads(const Profile *profile, Text *text)
{
    text_add(text, ",\"more_threads\":[");
    for (int i = 0; profile_thread_counts[i]; i++) {
        ProfileThreads t = profile_threads(profile, profile_thread_counts[i]);
        text_addf(text, "%s{\"threads\":%d,\"seconds\":%.9f,\"idle\":%.4f}",
                  i ? "," : "", t.threads, t.seconds, t.idle);
    }
    text_add(text, "]");
}
