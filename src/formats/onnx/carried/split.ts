/** Divides a file into the network, which is read, and the nodes before and behind it, which are carried over. */
import { UserError } from "../../../core/errors.ts";
import { unknownName } from "../../../core/names.ts";
import type { Carried, CarriedNode } from "../../../graph/graph.ts";
import type { Constant } from "../folding/constant.ts";
import { dataTypes, type ModelMessage, valueMessage } from "../proto.ts";
import { encodedConstant } from "./encoded-constant.ts";
import {
  carriedNode,
  carriedTensor,
  copied,
  Dependence,
  type GraphMessage,
  type RawGraph,
  valuesRead,
} from "./parts.ts";
import { shapeNodes } from "./shape-nodes.ts";

/** Where the network begins and ends in a file. */
export interface Split {
  /** The values that the network gives; undefined: the outputs of the file. */
  readonly outputs?: readonly string[];
  /** Whether the caller named the outputs: outputs of the file that they do not determine are then left out. */
  readonly isChosen?: boolean;
  /** The value that the network takes, made by `nodes` of the file; its dims without the batch. */
  readonly input?: {
    readonly name: string;
    readonly shape: readonly number[];
    readonly nodes: readonly number[];
  };
}

export interface Divided {
  /** The model with the network alone. */
  readonly model: ModelMessage;
  readonly carried: Carried;
}

export interface WholeFile {
  readonly model: ModelMessage;
  readonly graph: GraphMessage;
  readonly raw: RawGraph;
  readonly file: string;
}

/**
 * Divides `whole` by `split`. `constants`: the values that depend on shapes alone, as far as they are known.
 * @throws UserError "unknown-name" for an output that does not exist; "unsupported" if nodes behind the network read
 * values inside it and nobody has named the outputs.
 */
export function divide(whole: WholeFile, split: Split, constants: ReadonlyMap<string, Constant>): Divided {
  const { model, graph, raw, file } = whole;
  const dependence = new Dependence(graph);
  const fileOutputs = (graph.output ?? []).map(({ name }) => name ?? "");
  const outputs = split.outputs ?? fileOutputs;
  for (const name of outputs) {
    if (!dependence.makers.has(name)) throw unknownName("output", name, [...dependence.makers.keys()]);
  }
  const starts = new Set(split.input === undefined ? [] : [split.input.name]);
  const core = dependence.ancestors(outputs, starts);
  const before = new Set(split.input?.nodes ?? []);
  const boundary = { outputs, core, before, constants };
  const parts = fileOutputs.map((name) => ({ name, behind: behindOf(name, graph, dependence, boundary) }));
  const possible = parts.filter(({ behind }) => behind.inside.size === 0);
  if (possible.length < parts.length && split.isChosen !== true) {
    throw readsInside(file, outputs, new Set(parts.flatMap(({ behind }) => [...behind.inside])));
  }
  const kept = new Set(possible.map(({ name }) => name));
  const behind = joined(possible.map((one) => one.behind));
  const nodes = graph.node ?? [];
  const read = new Set(nodes.flatMap(({ input }, index) => (core.has(index) ? (input ?? []) : [])));
  const beforeNodes = dependence.ancestors([...starts], new Set());
  const beforeReads = new Set(nodes.flatMap((node, index) => (beforeNodes.has(index) ? valuesRead(node) : [])));
  const carriedReads = new Set([...behind.tensors, ...beforeReads]);
  const tensors = (graph.initializer ?? []).flatMap(({ name }, index) =>
    carriedReads.has(name ?? "") ? [carriedTensor(graph, raw, index, file)] : [],
  );
  const inOrder = (chosen: ReadonlySet<number>): CarriedNode[] =>
    nodes.flatMap((node, index) => (chosen.has(index) ? [carriedNode(node, raw.nodes[index])] : []));
  const stored = new Set((graph.initializer ?? []).map(({ name }) => name));
  return {
    model: {
      ...model,
      graph: {
        ...graph,
        node: nodes.filter((_, index) => core.has(index)),
        initializer: (graph.initializer ?? []).filter(({ name }) => read.has(name ?? "")),
        output: outputs.map((name) => valueMessage(name, dataTypes.float, [])),
        ...(split.input === undefined
          ? {}
          : { input: [valueMessage(split.input.name, dataTypes.float, ["N", ...split.input.shape])] }),
      },
    },
    carried: {
      before: inOrder(beforeNodes),
      behind: [...behind.added, ...inOrder(behind.nodes)],
      tensors: [...tensors, ...behind.computed.values()],
      inputs:
        split.input === undefined
          ? []
          : raw.inputs.filter((_, index) => !stored.has(graph.input?.[index]?.name)).map(copied),
      outputs: raw.outputs.filter((_, index) => kept.has(fileOutputs[index] ?? "")).map(copied),
      dropped: fileOutputs.filter((name) => !kept.has(name)),
      functions: raw.functions.map(copied),
      opsets: (model.opsetImport ?? []).flatMap(({ domain, version }) =>
        domain && domain !== "ai.onnx" ? [[domain, version ?? 1] as const] : [],
      ),
    },
  };
}

interface Behind {
  readonly nodes: ReadonlySet<number>;
  /** Nodes that the file lacks: they compute shapes of values inside the network from an output. */
  readonly added: readonly CarriedNode[];
  /** Names of the file's tensors that the nodes read. */
  readonly tensors: ReadonlySet<string>;
  /** Tensors with known constants, encoded, by name. */
  readonly computed: ReadonlyMap<string, Uint8Array>;
  /** Values inside the network that the output cannot be computed without. */
  readonly inside: ReadonlySet<string>;
}

interface Boundary {
  readonly outputs: readonly string[];
  /** Indices of the network's nodes. */
  readonly core: ReadonlySet<number>;
  /** Indices of the nodes before it. */
  readonly before: ReadonlySet<number>;
  readonly constants: ReadonlyMap<string, Constant>;
}

/** What the file's output `output` needs behind the network. */
function behindOf(
  output: string,
  graph: GraphMessage,
  dependence: Dependence,
  { outputs, core, before, constants }: Boundary,
): Behind {
  const ends = new Set(outputs);
  const stored = new Set((graph.initializer ?? []).map(({ name }) => name ?? ""));
  const nodes = new Set<number>();
  const tensors = new Set<string>();
  const computed = new Map<string, Uint8Array>();
  const added: CarriedNode[] = [];
  const inside = new Set<string>();
  const seen = new Set<string>();
  const pending = [output];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (value === "" || ends.has(value) || seen.has(value)) continue;
    seen.add(value);
    if (stored.has(value)) tensors.add(value);
    const index = dependence.makers.get(value);
    if (index === undefined || before.has(index)) continue;
    const node = graph.node?.[index];
    const known = dependence.dependsOnInputs(value) ? constants.get(value) : undefined;
    const numbers = known === undefined ? undefined : plainNumbers(known);
    if (known !== undefined && numbers !== undefined) {
      computed.set(value, encodedConstant(value, known, numbers));
      continue;
    }
    const read = node === undefined ? [] : valuesRead(node);
    const readsInside = read.some((name) => isInside(name, dependence, core, ends));
    if (known !== undefined && node?.opType === "Shape" && readsInside) {
      const parts = shapeNodes(value, outputs[0] ?? "", known);
      added.push(...parts.nodes);
      for (const [name, tensor] of parts.tensors) computed.set(name, tensor);
      continue;
    }
    if (core.has(index) && dependence.dependsOnInputs(value)) {
      inside.add(value);
      continue;
    }
    nodes.add(index);
    pending.push(...read);
  }
  return { nodes, added, tensors, computed, inside };
}

function joined(parts: readonly Behind[]): Behind {
  const added = new Map(parts.flatMap((part) => part.added.map((node) => [node.name, node] as const)));
  return {
    nodes: new Set(parts.flatMap(({ nodes }) => [...nodes])),
    added: [...added.values()],
    tensors: new Set(parts.flatMap(({ tensors }) => [...tensors])),
    computed: new Map(parts.flatMap(({ computed }) => [...computed])),
    inside: new Set(),
  };
}

function readsInside(file: string, outputs: readonly string[], inside: ReadonlySet<string>): UserError {
  const names = [...inside].join(", ");
  return new UserError("unsupported", `nodes behind the network read values inside it: ${names}`, {
    about: file,
    expected: "outputs from which everything behind them can be computed",
    received: outputs.join(","),
    hint: `Give --outputs ${[...new Set([...inside, ...outputs])].join(",")}, or earlier values`,
  });
}

function isInside(
  value: string,
  { makers }: Dependence,
  core: ReadonlySet<number>,
  ends: ReadonlySet<string>,
): boolean {
  const index = makers.get(value);
  return index !== undefined && core.has(index) && !ends.has(value);
}

/** The numbers of a constant that does not depend on the batch size. */
function plainNumbers({ values }: Constant): readonly number[] | undefined {
  const numbers = [...values].filter((value) => typeof value === "number");
  return numbers.length === values.length ? numbers : undefined;
}
