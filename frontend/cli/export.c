// simcc export: a phase's weights, or its net, as other programs want them.
#include "frontend/cli/onnx.h"
#include "runtime/train/export.h"

static Status export_phase(Job *job)
{
    char weights[RUNDIR_PATH];
    const Cli *cli = job->cli;
    TRY(job_weights(job, weights));
    cli_check_extension(cli, cli->values[OPT_output],
                        "a safetensors file (PyTorch loads it by "
                        "safetensors.torch.load_file)",
                        "safetensors");
    // The model has no averages; the checkpoint beside it has.
    if (cli_has(cli, OPT_ema) && !cli_has(cli, OPT_weights))
        TRY(rundir_path(cli->values[OPT_out], cli->words[1],
                        "checkpoint.safetensors", weights));
    return export_model(job->program, job_phase(job, cli->words[1]), weights,
                        cli->values[OPT_output], cli_has(cli, OPT_backbone),
                        cli_has(cli, OPT_ema), &job->options);
}

// What the form that is written does not know.
static Status check_options(const Cli *cli)
{
    static const OptionId of_onnx[] = {OPT_value, OPT_fold, OPT_uint8,
                                       OPT_external};
    if (onnx_is_wanted(cli) && cli_has(cli, OPT_backbone))
        return status_error(STATUS_USAGE,
                            "--backbone is for torchvision; of an ONNX net, "
                            "--value h is the encoder");
    for (int i = 0; i < 4 && !onnx_is_wanted(cli); i++)
        if (cli_has(cli, of_onnx[i]))
            return status_error(STATUS_USAGE,
                                "--%s is for ONNX: -o with a name that ends in "
                                ".onnx",
                                option_table[of_onnx[i]].name);
    return status_ok();
}

int command_export(Cli *cli)
{
    Job job;
    if (!cli_has(cli, OPT_output)) {
        Status status =
            status_error(STATUS_USAGE, "say where to write: -o FILE");
        return cli_fail(cli, &status);
    }
    CLI_TRY(cli, check_options(cli));
    if (onnx_is_wanted(cli))
        return onnx_export(cli);
    int code = job_open_program(&job, cli);
    if (code == STATUS_OK) {
        Status status = export_phase(&job);
        if (status.code != STATUS_OK)
            code = cli_fail(cli, &status);
    }
    job_close(&job);
    return code;
}
