// What a phase takes from others: `from` and `with`.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/reads.h"
#include "frontend/lang/setting.h"

// A phase as a header names it, or as --set PHASE.`clause` does in its place.
typedef struct Chosen {
    Word word;       // without a place where --set names it
    const char *set; // "--set PHASE.CLAUSE=NAME: ", else ""
} Chosen;

// Phases are elaborated in their order, and only what is elaborated has weights
// to take over and a net to run.
static Phase *find_phase(Sema *s, const Phase *phase, const Chosen *chosen,
                         const char *what)
{
    Word word = chosen->word;
    Phase *found = map_get(&s->phases_by_name, word.text);
    if (!found) {
        VEC(const char *) names = {0};
        for (int i = 0; i < s->phases.count; i++)
            vec_push(s->arena, &names, s->phases.at[i]->item->name.text);
        sema_fail(s, word.pos, "%sthere is no phase `%.60s`%s", chosen->set,
                  word.text, sema_suggest(s, word.text, names.at, names.count));
        return NULL;
    }
    if (found->state != PHASE_NEW && found != phase)
        return found;
    sema_fail(s, word.pos, "%s`%s` %s; %s comes before it", chosen->set,
              word.text, found == phase ? "is the phase itself" : "comes later",
              what);
    return NULL;
}

static const char *join_words(Sema *s, const WordList *words)
{
    if (!words)
        return NULL;
    Text text = text_new(s->arena);
    for (int i = 0; i < words->count; i++)
        text_addf(&text, "%s%s", i ? "," : "", words->at[i].text);
    return text_string(&text);
}

// A pattern may match in either phase alone: `except "head.*"` says that one of
// them has another head, or none.
static void check_patterns(Sema *s, const Phase *phase, const WordList *words)
{
    for (int i = 0; words && i < words->count; i++) {
        bool used = false;
        for (int k = 0; k < phase->from->variables.count && !used; k++)
            used = text_glob(words->at[i].text,
                             phase->from->variables.at[k]->name);
        for (int k = 0; k < phase->variables.count && !used; k++)
            used = text_glob(words->at[i].text, phase->variables.at[k]->name);
        if (!used)
            sema_fail(s, words->at[i].pos,
                      "\"%s\" matches no weight of `%s` or `%s`",
                      words->at[i].text, phase->from->item->name.text,
                      phase->item->name.text);
    }
}

static void check_same_shape(Sema *s, const Phase *phase, const Variable *mine,
                             const Variable *theirs)
{
    const TensorType *here = &mine->type, *there = &theirs->type;
    if (type_equal(here, there))
        return;
    sema_error(s, phase->item->from.pos,
               "`%s` is %s in `%s` but %s in `%s`; leave it out with except "
               "\"%s\"",
               mine->name, type_text(s->arena, here), phase->item->name.text,
               type_text(s->arena, there), phase->from->item->name.text,
               mine->name);
    sema_note(s, mine->pos, "declared here");
    if (theirs->pos.line != mine->pos.line)
        sema_note(s, theirs->pos, "and here");
}

// What is taken over from another phase must fit, and there must be some.
void from_check(Sema *s, const Phase *phase)
{
    if (!phase->from || phase->from->state != PHASE_DONE)
        return;
    const PhaseItem *item = phase->item;
    check_patterns(s, phase, item->only);
    check_patterns(s, phase, item->except);
    Map theirs = map_new(s->arena);
    for (int i = 0; i < phase->from->variables.count; i++) {
        Variable *variable = phase->from->variables.at[i];
        map_set(&theirs, variable->name, variable);
    }
    bool any = false;
    for (int i = 0; i < phase->variables.count; i++) {
        const Variable *mine = phase->variables.at[i];
        const Variable *other = map_get(&theirs, mine->name);
        if (!other || mine->is_frozen || other->is_frozen || !mine->in_model ||
            !other->in_model ||
            (item->only && !words_match(item->only, mine->name)) ||
            (item->except && words_match(item->except, mine->name)))
            continue;
        check_same_shape(s, phase, mine, other);
        any = true;
    }
    if (!any)
        sema_fail(s, item->from.pos,
                  "nothing is taken over from `%s`: no "
                  "weight has the same name in both",
                  phase->from->item->name.text);
}

static Chosen chosen_phase(Sema *s, Phase *phase, Word written,
                           const char *clause)
{
    const Setting *setting =
        written.text ? setting_find(s, phase->item->name.text, clause) : NULL;
    if (!setting)
        return (Chosen){written, ""};
    vec_push(s->arena, &phase->renamed, ((Word){setting->value, written.pos}));
    return (Chosen){{.text = setting->value},
                    arena_printf(s->arena, "--set %s=%.60s: ", setting->name,
                                 setting->value)};
}

void from_resolve(Sema *s, Phase *phase)
{
    const PhaseItem *item = phase->item;
    ExperimentPhase *out = phase->out;
    Chosen from = {item->from, ""}, teacher;
    if (!item->from_file)
        from = chosen_phase(s, phase, item->from, "from");
    teacher = chosen_phase(s, phase, item->teacher, item->teacher_name.text);
    out->from = from.word.text;
    out->from_only = join_words(s, item->only);
    out->from_except = join_words(s, item->except);
    out->teacher = teacher.word.text;
    if (out->from && !item->from_file)
        phase->from = find_phase(s, phase, &from, "what a phase starts from");
    if (out->teacher)
        phase->teacher = find_phase(s, phase, &teacher, "a phase's teacher");
    if (!item->from.text && (item->only || item->except))
        sema_fail(s, item->name.pos,
                  "`only` and `except` go with `from`; phase `%s` starts "
                  "afresh",
                  item->name.text);
}
