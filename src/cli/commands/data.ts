/** `espalier data [name]`: fetches and checks a dataset, so that training finds it ready. */
import type { Command } from "commander";
import { datasetNames, openDataset } from "../../data/open.ts";
import { formatCount } from "../../report/format.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { dataProgress } from "../view/data-progress.ts";

export function addData(program: Command, context: Context): void {
  const command = program
    .command("data")
    .description("Fetch a dataset into the cache, or check one that is there.")
    .argument("[dataset]", `${datasetNames.join(", ")}, a folder, or name:folder`, "cifar10")
    .action(async (spec: string, options: CommonOptions) => {
      const dataset = await dataProgress(context, (onProgress) => openDataset(spec, { onProgress }));
      const { name, classes, sampleShape, train, test } = dataset;
      if (options.json === true) {
        printJson(context, { name, classes, sampleShape, train: train.count, test: test.count });
        return;
      }
      const { colours, print } = context.stdout;
      print(
        `${colours.green("✓")} ${name}: ${formatCount(train.count)} training and ${formatCount(test.count)} test images of ${sampleShape.join("×")}, ${classes.length} classes`,
      );
    });
  withCommonOptions(command, [
    "espalier data cifar10",
    "espalier data mnist:~/mnist",
    "espalier data ./cifar-100-binary",
  ]);
}
