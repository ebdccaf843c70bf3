// The online probe: how well the nearest neighbours of an image, by the
// features a phase is learning, tell its class.
#ifndef SIMCC_RUNTIME_PROBE_H
#define SIMCC_RUNTIME_PROBE_H

#include "runtime/data/data.h"
#include "runtime/exec/exec.h"

typedef struct ProbeSpec {
    const ProgramPhase *phase; // with a plan of features
    const Dataset *data;
    const CodeImage *code;
    Store *store; // of the phase; holds the plan's params
    Pool *pool;
    uint64_t seed;
    int64_t trained; // images the whole phase trains on, repetitions counted
    bool validates;  // it is tried on the images for validation
} ProbeSpec;

typedef struct Probe Probe;

// Chooses a fixed sample of labelled training images, of every class its
// share: so few that ten probes pass 5% of the images that training passes, and
// at most 4,000; where that is too few to say anything, more and fewer probes.
// *probe is NULL when the phase has no plan of features, the data no labels, or
// the training is too short. One that validates has 4,000 of them, or all there
// are, and is never too dear: somebody asked for it.
Status probe_new(const ProbeSpec *spec, Probe **probe);
void probe_free(Probe *probe);
// How many probes a phase can afford, 1 to 10.
int probe_times(const Probe *probe);
// The most neighbours that vote.
int probe_neighbours(const Probe *probe);

// The share of the sample whose class the weighted vote of its nearest other
// images finds; of a probe that validates, the share of the images for
// validation whose class their nearest in the sample find. NaN when no image
// could be read. Takes and returns the memory of an evaluation step; changes
// nothing that training reads. All processes call it, share the work and get
// the same number.
Status probe_run(const Probe *probe, double *accuracy);

#endif
