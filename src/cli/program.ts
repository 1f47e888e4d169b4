/** The whole command line: all commands and the format of the help. Commander must not end the process itself. */
import { Command } from "commander";
import { addBench } from "./commands/bench.ts";
import { addCompare } from "./commands/compare.ts";
import { addControl } from "./commands/control.ts";
import { addConvert } from "./commands/convert.ts";
import { addData } from "./commands/data.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEval } from "./commands/eval.ts";
import { addExport } from "./commands/export.ts";
import { addInspect } from "./commands/inspect.ts";
import { addMeasure } from "./commands/measure.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addRecipes } from "./commands/recipes.ts";
import { addResume } from "./commands/resume.ts";
import { addSweep } from "./commands/sweep.ts";
import { addTrain } from "./commands/train.ts";
import { addUi } from "./commands/ui.ts";
import type { Context } from "./context.ts";

const WIDEST_HELP = 100;

/** Creates the program for `context`. Its parsing throws `CommanderError` or the command's own error. */
export function createProgram(context: Context, version: string): Command {
  const { stdout, stderr } = context;
  const { bold, cyan } = stdout.colours;
  const program = new Command("espalier")
    .description("Train a convolutional network once and get a smaller one that gives the same answers.")
    .version(version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.stream.write(text),
      writeErr: (text) => stderr.stream.write(text),
      // Errors are thrown, and `execute` prints them once.
      outputError: () => {},
      getOutHasColors: () => stdout.colours.level > 0,
    })
    .configureHelp({
      helpWidth: Math.min(WIDEST_HELP, stdout.width()),
      styleTitle: (text) => bold(text),
      styleCommandText: (text) => cyan(text),
      styleSubcommandText: (text) => cyan(text),
      styleOptionText: (text) => cyan(text),
    })
    .addHelpText(
      "after",
      `
Examples:
  espalier train resnet-20 --gamma neurons=0.0016,blocks=0.02 --epochs 10
  espalier train --recipe sss-resnet-20-cifar10-short --budget 50%
  espalier resume runs/resnet-20-cifar10
  espalier eval runs/resnet-20-cifar10/compact.onnx --data cifar10
  espalier inspect resnet-56

A run is a folder. It has a report (report.html) and the smaller network (compact.onnx).`,
    );
  const commands = [
    ...[addTrain, addResume, addControl, addSweep, addCompare],
    ...[
      addQuantize,
      addEval,
      addInspect,
      addMeasure,
      addBench,
      addConvert,
      addExport,
      addData,
      addRecipes,
      addUi,
      addDoctor,
    ],
  ];
  for (const add of commands) add(program, context);
  return program;
}
