/** `espalier data [name]`: downloads or checks a dataset, so that no training starts with missing or bad images. */
import type { Command } from "commander";
import type { Dataset, FileSplit } from "../../data/dataset.ts";
import { checkImages } from "../../data/images/check.ts";
import { datasetNames, openDataset } from "../../data/open.ts";
import { formatCount } from "../../report/format.ts";
import { imageFlags } from "../../training/settings/image-flags.ts";
import { settingGroups } from "../../training/settings/setting.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { addImageFlags, imageOptions } from "../flags.ts";
import { dataProgress } from "../view/data-progress.ts";
import { withStatusLine } from "../view/status-line.ts";
import { unreadableLines } from "../view/unreadable.ts";

function fileSplits({ train, test }: Dataset): readonly FileSplit[] {
  return [train, test].filter((split) => "files" in split);
}

/** Decodes every image file. */
async function check(context: Context, dataset: Dataset): Promise<void> {
  const splits = fileSplits(dataset);
  const total = splits.reduce((sum, { count }) => sum + count, 0);
  await withStatusLine(context, async (show) => {
    let before = 0;
    for (const split of splits) {
      await checkImages(split, (done) =>
        show("decoding", `decoding every image (${formatCount(before + done)} of ${formatCount(total)})`),
      );
      before += split.count;
    }
  });
}

export function addData(program: Command, context: Context): void {
  const command = program
    .command("data")
    .description("Download a dataset into the cache, or check your own: every image file is decoded once.")
    .argument(
      "[dataset]",
      `${datasetNames.join(", ")}, a folder, name:folder, a CSV of paths and labels, or a Parquet file`,
      "cifar10",
    );
  addImageFlags(command.optionsGroup(`${settingGroups.images}:`), imageFlags);
  command.optionsGroup("Output:").action(async (spec: string, options: CommonOptions) => {
    const dataset = await dataProgress(context, (onProgress) =>
      openDataset(spec, { onProgress, images: imageOptions(command) }),
    );
    await check(context, dataset);
    const { name, classes, sampleShape, train, test, preparation, notes = [] } = dataset;
    const unreadable = fileSplits(dataset).flatMap((split) => split.unreadable.images);
    if (options.json === true) {
      const summary = { name, classes, sampleShape, train: train.count, test: test.count };
      printJson(context, preparation === undefined ? summary : { ...summary, preparation, notes, unreadable });
      return;
    }
    const { colours, print } = context.stdout;
    print(
      `${colours.green("✓")} ${name}: ${formatCount(train.count)} training and ${formatCount(test.count)} test ` +
        `images of ${sampleShape.join("×")}, ${classes.length} classes`,
    );
    for (const note of notes) print(`  ${note}`);
    for (const line of unreadableLines(unreadable)) print(`${colours.yellow("!")} ${line}`);
  });
  withCommonOptions(command, [
    "espalier data cifar10",
    "espalier data mnist:~/mnist",
    "espalier data ./photos --size 64",
    "espalier data labels.csv",
  ]);
}
