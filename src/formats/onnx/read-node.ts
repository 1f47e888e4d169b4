/** Reads one node of an ONNX file, by whichever rules fit it: ordinary ones, or those for values in other orders. */
import { UserError } from "../../core/errors.ts";
import type { Arranger } from "./arranged/arranger.ts";
import { type ArrangedNode, arrangedOps, readArranged, readByArrangement } from "./arranged/read.ts";
import { movedBeforeTranspose } from "./channels-last.ts";
import type { ConstantFolder } from "./folding/constant-folder.ts";
import { foldRule, shapeOps } from "./folding/fold.ts";
import type { GraphReader } from "./graph-reader.ts";
import type { IntegerInputs } from "./integers/integer-inputs.ts";
import { NodeReader, type NodeSurroundings } from "./node-reader.ts";
import type { Problems } from "./problems.ts";
import type { NodeMessage } from "./proto.ts";
import { liftedToRow } from "./signals.ts";
import { readRules } from "./table.ts";

interface Surroundings extends NodeSurroundings {
  /** Whether nodes behind a transpose of images are moved ahead of it. */
  readonly movesNodes: boolean;
}

/** What reads the nodes of a file, and what is known of it. */
interface Readers {
  readonly reader: GraphReader;
  readonly folder: ConstantFolder;
  /** What is not supported. */
  readonly problems: Problems;
  /** Values in other orders of axes; undefined in files of this package, where every value has its batch first. */
  readonly arranger: Arranger | undefined;
  readonly integers: IntegerInputs;
}

/** Reads the node of `message`. One that is not supported is noted in `problems`. */
export function readNode(message: NodeMessage, surroundings: Surroundings, readers: Readers): void {
  const { problems, integers } = readers;
  const node = new NodeReader(message, surroundings);
  if (problems.dependsOnUnread(node.inputs, node.outputs)) {
    if (!isKnown(node.opType)) problems.unknownOp(node.opType, node.name, node.outputs);
    return;
  }
  try {
    const found = integers.read(message, node);
    if (found === "other") readNumbers(message, node, surroundings, readers);
    else if (found !== "read") readNumbers(found, new NodeReader(found, surroundings), surroundings, readers);
  } catch (error) {
    problems.refused(node.opType, node.name, node.outputs, error);
  }
}

/** Reads a node on floats. */
function readNumbers(
  message: NodeMessage,
  node: NodeReader,
  surroundings: Surroundings,
  { reader, folder, problems, arranger }: Readers,
): void {
  const arranged: ArrangedNode | undefined = arranger && {
    ...{ message, node, arranger },
    ruleOf: (opType) => readRules.get(opType),
    readerOf: (other) => new NodeReader(other, { ...surroundings, isRead: () => true }),
    readPlain: (other) => readPlainly(other, new NodeReader(other, surroundings)),
  };
  const readPlainly = (plain: NodeMessage, of: NodeReader): void =>
    readOrdinary(plain, of, surroundings, reader, problems);
  if (arranged !== undefined && readArranged(arranged)) return;
  if (folder.fold(node)) return;
  try {
    readPlainly(message, node);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "unsupported" || arranged === undefined) throw error;
    if (!readsByArrangement(arranged)) throw error;
  }
}

/** Whether some form of the op is read or computed. */
function isKnown(opType: string): boolean {
  return (
    readRules.has(opType) || arrangedOps.includes(opType) || shapeOps.has(opType) || foldRule(opType) !== undefined
  );
}

/** Whether the rules for arranged values read the node. What the ordinary rule said of it stands if they cannot. */
function readsByArrangement(arranged: ArrangedNode): boolean {
  try {
    return readByArrangement(arranged);
  } catch (error) {
    if (error instanceof UserError && error.code === "unsupported") return false;
    throw error;
  }
}

function readOrdinary(
  message: NodeMessage,
  node: NodeReader,
  surroundings: Surroundings,
  reader: GraphReader,
  problems: Problems,
): void {
  const moved = surroundings.movesNodes ? movedBeforeTranspose(message, node, reader) : undefined;
  const lifted = moved === undefined ? liftedToRow(message, node, reader) : undefined;
  const rewritten = moved?.message ?? lifted;
  const read = rewritten === undefined ? node : new NodeReader(rewritten, { ...surroundings, isRead: () => true });
  const rule = moved?.rule ?? readRules.get(read.opType);
  if (rule === undefined) {
    problems.unknownOp(node.opType, node.name, node.outputs);
    return;
  }
  rule(read, reader);
  read.finish();
  if (node.opType === "MatMul") reader.products.add(read.outputs[0] ?? "");
  if (lifted !== undefined) {
    const image = reader.resolve(read.outputs[0] ?? "");
    const [, channels = 0, , length = 0] = reader.shape(image);
    const output = node.outputs[0] ?? "";
    reader.add(node, "reshape", [image], { shape: [channels, length] }, { part: "signal", output });
  }
  if (moved === undefined) return;
  const { permutation } = moved;
  for (const [index, output] of node.outputs.entries()) {
    if (output === "") continue;
    const made = reader.resolve(read.outputs[index] ?? "");
    reader.add(node, "transpose", [made], { permutation }, { part: "transposed", output });
  }
}
