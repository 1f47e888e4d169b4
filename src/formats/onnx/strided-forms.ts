/**
 * Finds views by strides, as `torch.export` leaves them behind a transpose. The file flattens a value with all its
 * images and gathers from it by indices that it computes from the batch size: those of one image, plus S numbers for
 * each image before it. If an image has S numbers, that takes the same numbers of every image, and the nodes become a
 * reshape, or a reshape, a `Gather` and a reshape.
 */
import { elementCount, type Shape } from "../../core/tensor.ts";
import { aligned, broadcastIndex } from "./folding/broadcast.ts";
import type { Constant } from "./folding/constant.ts";
import type { FileNodes } from "./gelu-forms.ts";
import { attributeMessage, attributeTypes, integerTensorMessage, type NodeMessage } from "./proto.ts";
import { withoutUnreadNodes } from "./unread-nodes.ts";

/** More nodes are on no path of this form. It limits what a malicious file can make the search do. */
const LONGEST_PATH = 16;
/** More indices would be no view of a small value. */
const MOST_INDICES = 2 ** 20;

/** Indices [N,…]: `perImage` for each image before it, plus `values`, which have the dims after the first. */
interface Indices {
  readonly perImage: number;
  readonly dims: Shape;
  readonly values: readonly number[];
}

/** What the search asks about a file. */
export interface FileConstants extends FileNodes {
  /** The stored constant of that name. */
  constantOf(name: string): Constant | undefined;
}

/** The nodes of the file, with each view by strides as nodes that see single images. */
export function withStridedViews(file: FileConstants, inputs: ReadonlySet<string>): readonly NodeMessage[] {
  if (!file.nodes.some(({ opType }) => opType === "Range")) return file.nodes;
  const producerOf = new Map(file.nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const search = { file, producerOf, inputs };
  const views = new Map(
    file.nodes.flatMap((node) => {
      const found = node.opType === "Gather" && !node.domain ? viewOf(node, search) : undefined;
      return found === undefined ? [] : [[node, found] as const];
    }),
  );
  if (views.size === 0) return file.nodes;
  const nodes = file.nodes.flatMap((node) => views.get(node) ?? [node]);
  return withoutUnreadNodes(nodes, file.outputs);
}

interface Search {
  readonly file: FileConstants;
  readonly producerOf: ReadonlyMap<string, NodeMessage>;
  /** Names of the graph's inputs. */
  readonly inputs: ReadonlySet<string>;
}

/** The integers of a stored constant. */
function integersOf({ file }: Search, name: string): Constant | undefined {
  const stored = file.constantOf(name);
  return stored?.type === "integer" ? stored : undefined;
}

function viewOf(gather: NodeMessage, search: Search): readonly NodeMessage[] | undefined {
  const [data = "", indices = ""] = gather.input ?? [];
  const axis = gather.attribute?.find(({ name }) => name === "axis")?.i ?? 0;
  const flat = search.producerOf.get(data);
  const [src = "", shape = ""] = flat?.opType === "Reshape" ? (flat.input ?? []) : [];
  const isFlat = integersOf(search, shape)?.values.join() === "-1";
  const found = axis === 0 && isFlat ? indicesOf(indices, search, 0) : undefined;
  const [output = ""] = gather.output ?? [];
  if (found === undefined || found.perImage < 1) return undefined;
  const { perImage, dims, values } = found;
  const name = gather.name || output;
  const isWhole = values.length === perImage && values.every((value, place) => value === place);
  if (isWhole) return reshape(name, src, [0, ...dims], output);
  const part = (role: string): string => `${name}/${role}`;
  return [
    ...reshape(part("images"), src, [0, perImage], part("images_output")),
    constantNode(part("indices"), values),
    {
      opType: "Gather",
      name: part("taken"),
      input: [part("images_output"), part("indices")],
      output: [part("taken_output")],
      attribute: [attributeMessage("axis", 1)],
    },
    ...reshape(name, part("taken_output"), [0, ...dims], output),
  ];
}

function reshape(name: string, src: string, dims: Shape, output: string): readonly NodeMessage[] {
  const shape = `${name}/dims`;
  return [constantNode(shape, dims), { opType: "Reshape", name, input: [src, shape], output: [output] }];
}

function constantNode(name: string, values: readonly number[]): NodeMessage {
  const t = integerTensorMessage(name, values.map(BigInt));
  return { opType: "Constant", name, output: [name], attribute: [{ name: "value", type: attributeTypes.tensor, t }] };
}

/** Undefined if `name` is not computed as such indices are. */
function indicesOf(name: string, search: Search, steps: number): Indices | undefined {
  const node = search.producerOf.get(name);
  if (node === undefined || steps > LONGEST_PATH) return undefined;
  const [a = "", b = ""] = node.input ?? [];
  const next = (input: string): Indices | undefined => indicesOf(input, search, steps + 1);
  const withConstant = (
    combine: (indices: Indices, constant: Constant) => Indices | undefined,
  ): Indices | undefined => {
    const [first, second] = [integersOf(search, a), integersOf(search, b)];
    const indices = second === undefined ? first && next(b) : next(a);
    const constant = second ?? first;
    return indices && constant && combine(indices, constant);
  };
  switch (node.opType) {
    case "Range": {
      const [, , step = ""] = node.input ?? [];
      const isOfImages = isNumber(search, a, 0) && isNumber(search, step, 1) && isBatchSize(b, search, steps);
      return isOfImages ? { perImage: 1, dims: [], values: [0] } : undefined;
    }
    case "Unsqueeze": {
      const indices = next(a);
      const axes = integersOf(search, b)?.values ?? node.attribute?.find((own) => own.name === "axes")?.ints ?? [];
      const isBehind = [...axes]
        .map(Number)
        .toSorted((one, two) => one - two)
        .every((own, place) => own === place + 1);
      if (indices === undefined || indices.dims.length > 0 || !isBehind) return undefined;
      return { ...indices, dims: new Array<number>(axes.length).fill(1) };
    }
    case "Mul":
      return withConstant(({ perImage, dims, values }, constant) => {
        if (elementCount(constant.dims) !== 1 || constant.dims.length > dims.length + 1) return undefined;
        const times = Number(constant.values[0]);
        return { perImage: perImage * times, dims, values: values.map((value) => value * times) };
      });
    case "Add":
      return withConstant(plusConstant);
    default:
      return undefined;
  }
}

function plusConstant({ perImage, dims, values }: Indices, constant: Constant): Indices | undefined {
  const [images = 1, ...own] = aligned(constant.dims, dims.length + 1);
  const fits = own.every((size, axis) => size === 1 || dims[axis] === 1 || size === dims[axis]);
  if (images !== 1 || own.length !== dims.length || !fits) return undefined;
  const made = own.map((size, axis) => Math.max(size, dims[axis] ?? 1));
  const count = elementCount(made);
  if (!(count <= MOST_INDICES)) return undefined;
  const [of, ofConstant] = [broadcastIndex(dims, made), broadcastIndex(own, made)];
  const sums = Array.from(
    { length: count },
    (_, index) => (values[of(index)] ?? 0) + Number(constant.values[ofConstant(index)]),
  );
  return { perImage, dims: made, values: sums };
}

function isNumber(search: Search, name: string, number: number): boolean {
  const stored = integersOf(search, name);
  return stored !== undefined && elementCount(stored.dims) === 1 && stored.values[0] === number;
}

/** Whether `name` is the first of the dims of an input. */
function isBatchSize(name: string, search: Search, steps: number): boolean {
  const node = search.producerOf.get(name);
  const [src = ""] = node?.input ?? [];
  if (node === undefined || steps > LONGEST_PATH) return false;
  const attribute = (own: string): number | undefined =>
    node.attribute?.find((one) => one.name === own)?.i ?? undefined;
  if (node.opType === "Squeeze" || node.opType === "Reshape" || node.opType === "Cast")
    return isBatchSize(src, search, steps + 1);
  return node.opType === "Shape" && search.inputs.has(src) && (attribute("start") ?? 0) === 0 && attribute("end") === 1;
}
