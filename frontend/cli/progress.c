#include "frontend/cli/progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "frontend/cli/together.h"
#include "runtime/base/clock.h"
#include "runtime/exec/ranks.h"

// Seconds between two lines where no terminal is.
static const double line_seconds = 5;
// And in the log.
static const double log_seconds = 60;

static void add_duration(Text *text, double seconds)
{
    int64_t whole = (int64_t)fmax(seconds, 0);
    if (whole < 60)
        text_addf(text, "%llds", (long long)whole);
    else if (whole < 3600)
        text_addf(text, "%lldm%02llds", (long long)(whole / 60),
                  (long long)(whole % 60));
    else
        text_addf(text, "%lldh%02lldm", (long long)(whole / 3600),
                  (long long)(whole / 60 % 60));
}

static void describe(const TrainProgress *progress, Text *text)
{
    text_addf(text, "%s %lld/%lld  epoch %.1f  loss %.4g", progress->phase,
              (long long)progress->step, (long long)progress->total_steps,
              progress->epoch, progress->loss);
    for (int i = 0; i < progress->report_count; i++)
        if (strcmp(progress->report_names[i], "loss_at_chance") == 0)
            text_addf(text, " (guessing %.4g)", progress->report_values[i]);
    for (int i = 0; i < progress->report_count; i++)
        if (strcmp(progress->report_names[i], "loss_at_chance") != 0)
            text_addf(text, "  %s %.3g", progress->report_names[i],
                      progress->report_values[i]);
    text_addf(text, "  %.0f img/s", progress->images_per_second);
    if (progress->input_wait > 0.03)
        text_addf(text, "  waiting for input %.0f%%",
                  100 * progress->input_wait);
    text_add(text, "  ");
    add_duration(text, progress->seconds_left);
    text_add(text, " left");
}

static int screen_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

void job_clear_line(Job *job)
{
    if (job->on_screen)
        fputs("\r\033[K", stderr);
    job->on_screen = false;
}

static void show(Job *job, const char *line)
{
    if (job->live)
        fprintf(stderr, "\r\033[K%.*s", screen_width() - 1, line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    job->on_screen = job->live;
}

void progress_tell(void *context, const TrainProgress *progress)
{
    Job *job = context;
    double now = clock_seconds();
    bool last = progress->step == progress->total_steps;
    bool logs = now - job->logged >= log_seconds || last;
    bool speaks = !cli_has(job->cli, OPT_quiet) &&
                  (job->live || now - job->told >= line_seconds || last);
    if (!logs && !speaks)
        return;
    Arena *scratch = arena_new();
    Text text = text_new(scratch);
    describe(progress, &text);
    if (logs) {
        cli_log(job->cli, text_string(&text));
        job->logged = now;
    }
    if (speaks) {
        job->told = now;
        show(job, text_string(&text));
    }
    arena_free(scratch);
}

void progress_message(void *context, const char *text)
{
    Job *job = context;
    job_clear_line(job);
    cli_note(job->cli, "%s", text);
}

void progress_unreadable(void *context, const char *text)
{
    const Job *job = context;
    if (ranks_index() > 0 && !cli_has(job->cli, OPT_quiet))
        together_tell(text);
    else
        progress_message(context, text);
}

void progress_warn(void *context, const char *text)
{
    Job *job = context;
    job_clear_line(job);
    cli_warn(job->cli, text);
}

void progress_explain(void *context, const char *text)
{
    job_clear_line(context);
    fprintf(stderr, "%s\n", text);
}

// ---- results ----------------------------------------------------------------

void job_add_json_number(Text *text, double value)
{
    if (isfinite(value))
        text_add_double(text, value);
    else
        text_add(text, "null");
}

// What the validations of a phase came to.
static void add_json_best(Text *text, const TrainResult *result)
{
    text_addf(text, ",\"validation\":{\"images\":%lld,\"best\":",
              (long long)result->valid_count);
    text_add_json(text, result->best_name);
    text_add(text, ",\"value\":");
    job_add_json_number(text, result->best_value);
    text_addf(text, ",\"step\":%lld,\"ended_early\":%s}",
              (long long)result->best_step,
              result->ended_early ? "true" : "false");
}

static void add_json(Text *text, const TrainResult *result, const char *members)
{
    const char *part =
        data_split_word(result->test_count ? result->split : SPLIT_TEST);
    text_add(text, "{\"phase\":");
    text_add_json(text, result->phase);
    text_addf(text,
              ",\"steps\":%lld,\"first_loss\":", (long long)result->steps);
    job_add_json_number(text, result->steps ? result->first_loss : NAN);
    text_add(text, ",\"last_loss\":");
    job_add_json_number(text, result->steps ? result->last_loss : NAN);
    text_addf(text, ",\"seconds\":%.3f,\"stopped\":%s,\"%s_images\":%lld",
              result->seconds, result->stopped ? "true" : "false", part,
              (long long)result->test_count);
    if (result->whole)
        text_add(text, ",\"split\":\"all\"");
    text_addf(text, ",\"%s\":{", part);
    for (int i = 0; i < result->report_count; i++) {
        text_add(text, i ? "," : "");
        text_add_json(text, result->report_names[i]);
        text_add(text, ":");
        job_add_json_number(text, result->report_values[i]);
    }
    text_add(text, "}");
    if (result->valid_count)
        add_json_best(text, result);
    if (members)
        text_addf(text, ",%s", members);
    text_add(text, "}");
}

static void add_line(Text *text, const TrainResult *result)
{
    text_addf(text, "%s:", result->phase);
    if (result->steps) {
        text_addf(text, " %lld steps", (long long)result->steps);
        if (isfinite(result->first_loss))
            text_addf(text, ", loss %.4g", result->first_loss);
        if (isfinite(result->first_loss) && isfinite(result->last_loss))
            text_addf(text, " -> %.4g", result->last_loss);
        text_add(text, result->test_count ? ";" : "");
    }
    if (result->test_count && result->whole)
        text_addf(text, " all %lld images:", (long long)result->test_count);
    else if (result->test_count)
        text_addf(text, " %lld %s images:", (long long)result->test_count,
                  data_split_word(result->split));
    for (int i = 0; i < result->report_count; i++)
        text_addf(text, "%s %s %.4g", i ? "," : "", result->report_names[i],
                  result->report_values[i]);
    text_add(text, "  (");
    add_duration(text, result->seconds);
    text_add(text, ")");
}

void job_print_result(Job *job, const TrainResult *result, const char *members)
{
    Text text = text_new(job->cli->arena);
    job_clear_line(job);
    if (cli_has(job->cli, OPT_json))
        add_json(&text, result, members);
    else
        add_line(&text, result);
    cli_log(job->cli, text_string(&text));
    puts(text_string(&text));
    fflush(stdout);
}
