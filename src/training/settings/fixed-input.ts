/** Reads the values of fixed inputs from the text of a flag. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { parseNumber } from "../../core/text-values.ts";
import { refuseDevice } from "../../formats/file.ts";
import { readNpy } from "../../formats/npy.ts";
import type { FixedInputs } from "../../formats/onnx/fixed-inputs.ts";
import { byName } from "./codecs.ts";
import type { Codec } from "./setting.ts";

/** `scale=1,mask=m.npy`: a value for each input. Throws as `readFixedInput` does. */
export function readFixedInputs(text: string, flag = "--input"): FixedInputs {
  return schema.parse(fixedInputs.read(text, flag));
}

/** `value` as fixed inputs; undefined if it is something else. */
export function asFixedInputs(value: unknown): FixedInputs | undefined {
  return schema.safeParse(value).data;
}

const schema = z.record(z.string(), z.union([z.number(), z.array(z.number())]));

export const fixedInputs: Codec = byName("an input", readFixedInput);

/** A number, or the numbers of a `.npy` file. Throws `UserError` "missing-file", "bad-file" or "bad-option". */
function readFixedInput(text: string, flag: string): number | readonly number[] {
  if (!text.toLowerCase().endsWith(".npy")) return parseNumber(text, flag);
  refuseDevice(text, statusOf(text));
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(text);
  } catch (cause) {
    throw new UserError("missing-file", "the file of an input's values cannot be read", {
      about: text,
      hint: `Give a number or the path of a .npy file to ${flag}`,
      cause,
    });
  }
  const { values } = readNpy(bytes, text);
  const strange = values.find((value) => !Number.isFinite(value));
  if (strange === undefined) return values;
  throw new UserError("bad-file", `has the value ${strange}`, {
    about: text,
    expected: "finite numbers",
    hint: "Write a large number, such as -1e9 in a mask, instead of an infinite one",
  });
}

/** Undefined if there is no such file, or none that may be looked at. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
