#!/bin/sh
# The job of docs/operating.md for Slurm, word for word, with stand-ins for
# Slurm's commands: asked to end it saves and asks to be queued again, likewise
# when one of its processes is killed; it ends when all is done, and when simcc
# says no.
. tests/e2e/lib.sh
. tests/e2e/lib_ranks.sh
need_ranks ranks-slurm

"$simcc" data synth "$work/shapes" --classes 3 --per-class 24 --size 16 -q
settings="filters=4 groups=2 image_size=16 classes=3 pretrain.batch=16 pretrain.steps=400"
sed -n '/^    #!\/bin\/bash/,/^    exit/s/^    //p' docs/operating.md |
    sed "s#models/simclrv2.net#models/quickstart.net#; s#--data DIR#--data \$DIR#
        s#--out RUN#--out \$RUN#; s#--resume#--resume --save-every 0.2 --threads 1 --set $settings#" \
        > "$work/job"
mkdir "$work/bin"
ln -s "$BUILD/mpi/simcc" "$work/bin/simcc"
cat > "$work/bin/srun" <<'END'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec mpirun -n 4 sh -c 'echo $$ > "$0.$OMPI_COMM_WORLD_RANK"; exec "$@"' "$work/pid" "$@"
END
cat > "$work/bin/scontrol" <<'END'
#!/bin/sh
echo "$*" >> "$work/asked"
END
chmod +x "$work/bin/srun" "$work/bin/scontrol"
PATH=$work/bin:$PATH SLURM_JOB_ID=7 RUN=$work/run DIR=$work/shapes
export PATH SLURM_JOB_ID RUN DIR work
: > "$work/asked"

# broken SIGNAL CODE TIMES NUMBER...: the job, whose processes of these numbers
# get the signal after its first steps, ends with the code, having asked so
# many times.
broken() {
    signal=$1 code=$2 times=$3
    shift 3
    rm -f "$work"/pid.*
    before=$(wc -l < "$RUN/metrics.jsonl" 2> /dev/null || echo 0)
    bash "$work/job" &
    job=$!
    tries=0
    until [ "$(wc -l < "$RUN/metrics.jsonl" 2> /dev/null || echo 0)" -gt "$before" ] ||
        [ "$tries" -ge 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    for number in "$@"; do
        kill "-$signal" "$(cat "$work/pid.$number")"
    done
    exits "$code" wait "$job" && [ "$(grep -c '^requeue 7$' "$work/asked")" = "$times" ]
}
check "ranks-slurm: the docs have the job" grep -q '^#SBATCH .*--signal=TERM' "$work/job"
RUN=$work/whole
check "ranks-slurm: the unbroken job" bash "$work/job"
check "ranks-slurm: is not queued again" test ! -s "$work/asked"
RUN=$work/run
check "ranks-slurm: at the end of its time" broken TERM 143 1 0 1 2 3
check "ranks-slurm: one killed" broken KILL 137 2 2
check "ranks-slurm: what was queued again ends" bash "$work/job"
check "ranks-slurm: and is not queued any more" test "$(wc -l < "$work/asked")" = 2
check "ranks-slurm: in the bits of the unbroken job" same_tensors \
    "$work/whole/pretrain/model.safetensors" "$work/run/pretrain/model.safetensors"
DIR=$work/nowhere RUN=$work/none
check "ranks-slurm: what simcc says no to is not" exits 4 bash "$work/job"
check "ranks-slurm: queued again either" test "$(wc -l < "$work/asked")" = 2
finish
