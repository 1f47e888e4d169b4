/** Checks that the data has values for a network's inputs besides the images, in their shapes. */
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { elementCount } from "../../core/tensor.ts";
import { columnName, type Dataset } from "../../data/dataset.ts";
import type { Input } from "../../graph/graph.ts";
import { bindBatch } from "../../graph/shapes.ts";

/**
 * Throws unless `dataset` has values for `inputs`, all inputs of the network but the images, and for no others;
 * messages call the network `name`.
 * @throws UserError "unsupported" for an input without values, "unknown-name" for values without an input, "bad-option"
 * for another number of values.
 */
export function checkFurtherInputs(inputs: readonly Input[], dataset: Dataset, name: string): void {
  const { inputs: given = {} } = dataset.train;
  const missing = inputs.filter((input) => !Object.hasOwn(given, input.name));
  if (missing.length > 0) throw withoutValues(missing, name);
  for (const [input, { width }] of Object.entries(given)) {
    const taker = inputs.find((one) => one.name === input);
    if (taker === undefined) throw withoutInput(input, inputs, name);
    const count = elementCount(bindBatch(taker.shape, 1));
    if (count === width) continue;
    const columns = dataset.columns?.[input];
    throw new UserError("bad-option", "the data has another number of values for an input", {
      about: `input "${input}" of ${name}`,
      expected: `${count} for each image`,
      received: `${width}${columns === undefined ? "" : ` from ${columns.map(columnName).join(" + ")}`}`,
      hint:
        columns === undefined
          ? "Correct the program that makes the dataset"
          : `Name columns that have ${count} numbers in all: --columns ${input}=${exampleOf(count)}`,
    });
  }
}

/** Columns that have `count` numbers: one of lists if they are many. */
function exampleOf(count: number): string {
  return count > 3 ? "column" : Array.from({ length: count }, (_, index) => `column${index + 1}`).join("+");
}

function withoutValues(missing: readonly Input[], name: string): UserError {
  const names = missing.map((input) => input.name);
  return new UserError("unsupported", "the network has inputs besides the images, and there are no values for them", {
    about: name,
    expected: `values for ${names.join(", ")}`,
    received: "images alone",
    hint:
      `Feed them from columns of a CSV or Parquet file: --columns ${names.map((one) => `${one}=column`).join(",")}. ` +
      "Or give each a fixed value, a number or a .npy file: " +
      `--input ${names.map((one) => `${one}=1`).join(",")}`,
  });
}

function withoutInput(input: string, inputs: readonly Input[], name: string): UserError {
  if (inputs.length > 0) {
    return unknownName(
      `input of ${name}:`,
      input,
      inputs.map((one) => one.name),
    );
  }
  return new UserError("bad-option", "the network takes images alone", {
    about: name,
    received: `values for "${input}"`,
    hint: "Leave --columns out",
  });
}
