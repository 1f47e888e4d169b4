/**
 * `node scripts/generate-protobuf.mjs`: from onnx.proto the TypeScript that reads and writes its messages: messages.ts
 * (their types) and fields.ts (their fields by number). Knows the part of the language that onnx.proto uses: messages
 * of fields.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runScript, SetupError } from "./shell.mjs";

const folder = join(root, "src", "formats", "onnx", "protobuf");
const note = "Generated from onnx.proto by `node scripts/generate-protobuf.mjs`; do not edit.";

/** Types of single values, and what they are in TypeScript. */
const scalars = new Map([
  ["string", "string"],
  ["bytes", "Uint8Array"],
  ...["float", "double", "int32", "int64", "uint64"].map((name) => [name, "number"]),
]);

/** Messages by name, in the order of the file, each the list of its fields by number. @param {string} text */
function parse(text) {
  const bare = text.replace(/\/\/.*$/gm, "").replace(/^\s*(?:syntax|package)\s[^;]*;/gm, "");
  const messages = new Map();
  const rest = bare.replace(/message\s+(\w+)\s*\{([^{}]*)\}/g, (_, name, body) => {
    messages.set(name, fieldsOf(name, body));
    return "";
  });
  if (rest.trim() !== "") throw new SetupError(`not understood: ${rest.trim()}`, "Declare messages of fields only.");
  for (const field of [...messages.values()].flat()) {
    if (scalars.has(field.type) || messages.has(field.type)) continue;
    throw new SetupError(`${field.type} is not declared`, `Declare it, or one of ${[...scalars.keys()].join(", ")}.`);
  }
  return messages;
}

function fieldsOf(message, body) {
  const fields = [];
  const rest = body.replace(/(repeated\s+)?(\w+)\s+(\w+)\s*=\s*(\d+)\s*;/g, (_, repeated, type, name, number) => {
    const camel = name.replace(/_(\w)/g, (_match, letter) => letter.toUpperCase());
    fields.push({ number: Number(number), name: camel, type, repeated: repeated !== undefined });
    return "";
  });
  if (rest.trim() !== "") throw new SetupError(`not understood in ${message}: ${rest.trim()}`, "Declare fields only.");
  return fields.toSorted((a, b) => a.number - b.number);
}

function messagesText(messages) {
  const lines = [`/** The messages of an ONNX file. ${note} */`];
  for (const [message, fields] of messages) {
    lines.push("", `export interface ${message} {`);
    for (const { name, type, repeated } of fields) {
      lines.push(`  ${name}?: ${scalars.get(type) ?? type}${repeated ? "[]" : ""} | undefined;`);
    }
    lines.push("}");
  }
  lines.push("", "/** Every message by its name. */", "export interface Messages {");
  for (const message of messages.keys()) lines.push(`  ${message}: ${message};`);
  return `${[...lines, "}"].join("\n")}\n`;
}

function fieldsText(messages) {
  const lines = [`/** ONNX message fields by number. ${note} */`];
  lines.push('import type { Field } from "./field.ts";', 'import type { Messages } from "./messages.ts";', "");
  lines.push("export const fieldsOf: { readonly [Name in keyof Messages]: readonly Field[] } = {");
  for (const [message, fields] of messages) {
    const rows = fields.map(
      ({ number, name, type, repeated }) =>
        `{ number: ${number}, name: "${name}", type: "${type}", repeated: ${repeated} }`,
    );
    // As the formatter has it: a list of one on one line.
    if (rows.length === 1) lines.push(`  ${message}: [${rows[0]}],`);
    else lines.push(`  ${message}: [`, ...rows.map((row) => `    ${row},`), "  ],");
  }
  return `${[...lines, "};"].join("\n")}\n`;
}

/** File name → the text that belongs in it. @returns {ReadonlyMap<string, string>} */
export function generated() {
  const messages = parse(readFileSync(join(folder, "onnx.proto"), "utf8"));
  return new Map([
    [join(folder, "messages.ts"), messagesText(messages)],
    [join(folder, "fields.ts"), fieldsText(messages)],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    for (const [path, text] of generated()) writeFileSync(path, text);
    return 0;
  });
}
