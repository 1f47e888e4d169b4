/**
 * Rewrites a network into one that computes the same function with ops that have an integer form in ONNX Runtime:
 *
 * - Batch norms, gains, biases and factors are folded into the convolution or linear layer in front of them. Where
 *   there is none, they become a depthwise 1 × 1 convolution, whose integers have a scale for each channel.
 * - hard_sigmoid becomes a line and a clip to 0 … 1; hard_swish becomes a product with it.
 * - Zeros around an image become the padding of the convolution behind. Channels of zeros become a 1 × 1 convolution,
 *   which takes over the strides of a slice in front of it: the shortcut of a residual network that grows.
 */
import { required } from "../core/errors.ts";
import { type Shape, type Tensor, tensor } from "../core/tensor.ts";
import type { Padding, Pair } from "../graph/attributes.ts";
import { freshNames } from "../graph/fresh-names.ts";
import { makeNode, type Network, type Node, type Parameter, type ParameterKind, readers } from "../graph/graph.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
import { bake } from "../selection/fold.ts";
import { type PerChannel, perChannelOf } from "./per-channel.ts";

/** `network` rewritten; it computes the same function, to rounding. Layers keep their names. */
export function integerReady(network: Network): Network {
  const baked = bake(network);
  const rewriter = new Rewriter(baked);
  for (const node of baked.graph.nodes) rewriter.add(node);
  return rewriter.finish();
}

type Layer = Node<"convolution" | "linear">;

const noPadding: Padding = { top: 0, left: 0, bottom: 0, right: 0 };

class Rewriter {
  readonly #network: Network;
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #fresh: (name: string) => string;
  readonly #nodes: Node[] = [];
  readonly #parameters: Map<string, Parameter>;
  readonly #weights: Map<string, Tensor>;
  /** Value with zeros around it → the value without them. The padding of its only reader replaces it. */
  readonly #padded = new Map<string, { readonly src: string; readonly padding: Padding }>();
  /** Value that equals another one → the other one. */
  readonly #renamed = new Map<string, string>();
  /** Values that have more readers than in the original graph. */
  readonly #shared = new Set<string>();

  constructor(network: Network) {
    const { graph, weights } = network;
    this.#network = network;
    this.#shapes = inferShapes(graph, 1);
    this.#readers = readers(graph);
    this.#fresh = freshNames([...this.#shapes.keys(), ...graph.nodes.map(({ name }) => name)]);
    this.#parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter]));
    this.#weights = new Map(weights);
  }

  add(original: Node): void {
    const node = withInputs(original, this.#renamed);
    const [src = ""] = node.inputs;
    const dst = node.outputs[0] ?? "";
    switch (node.op) {
      case "convolution":
        this.#nodes.push(this.#owned(this.#withPadding(node)));
        return;
      case "linear":
        this.#nodes.push(this.#owned(node));
        return;
      case "pad":
        if (this.#shape(src).length === 4) this.#pad(node);
        else this.#nodes.push(node);
        return;
      case "flatten":
        if (node.attributes.channelsLast === true) {
          const pixels = this.#shape(src).slice(2);
          const turned = this.#fresh(`${node.name}/channels_last`);
          const permutation = [0, ...pixels.map((_, axis) => axis + 2), 1];
          this.#nodes.push(makeNode("transpose", turned, [src], [turned], { permutation }));
          this.#nodes.push(makeNode("flatten", node.name, [turned], node.outputs, {}));
        } else this.#nodes.push(node);
        return;
      case "activation":
        if (node.attributes.function === "hard_swish" && this.#shape(src).length === 4) {
          const gate = this.#fresh(`${node.name}/gate`);
          this.#shared.add(src);
          this.add(
            makeNode("activation", gate, [src], [gate], { function: "hard_sigmoid", slope: 1 / 6, offset: 0.5 }),
          );
          this.#nodes.push(makeNode("multiply", node.name, [src, gate], node.outputs, {}));
          return;
        }
        break;
      default:
        break;
    }
    const line = perChannelOf(node, this.#network.weights, this.#shape(src)[1] ?? 0);
    const isHard = node.op === "activation" && node.attributes.function === "hard_sigmoid";
    const straight = isHard ? this.#fresh(`${node.name}/line`) : dst;
    if (
      line === undefined ||
      !(this.#folded(src, line, straight) || this.#asConvolution(isHard ? straight : node.name, src, line, straight))
    ) {
      this.#nodes.push(node);
    } else if (isHard) {
      this.#nodes.push(makeNode("clip", node.name, [straight], [dst], { minimum: 0, maximum: 1 }));
    }
  }

  finish(): Network {
    const { graph } = this.#network;
    const rewritten = withoutDeadNodes({ ...graph, nodes: this.#nodes, parameters: [...this.#parameters.values()] });
    const weights = rewritten.parameters.flatMap(({ name }) => {
      const values = this.#weights.get(name);
      return values === undefined ? [] : [[name, values] as const];
    });
    return { graph: rewritten, weights: new Map(weights) };
  }

  /** Multiplies `line` into the layer that computes `src`, if nothing else reads that. Returns whether it did. */
  #folded(src: string, { slope, offset }: PerChannel, dst: string): boolean {
    const at = this.#nodes.findLastIndex(({ outputs }) => outputs.includes(src));
    const layer = this.#nodes[at];
    if (layer === undefined || !this.#hasOneReader(src)) return false;
    if (layer.op !== "convolution" && layer.op !== "linear") return false;
    const [image = "", weightName = "", biasName] = layer.inputs;
    const weights = this.#weights.get(weightName);
    const bias = biasName === undefined ? undefined : this.#weights.get(biasName);
    if (weights === undefined || (biasName !== undefined && bias === undefined)) return false;
    const channels = slope.length;
    const rowLength = weights.data.length / channels;
    const scaled = weights.data.map((value, index) => value * (slope[Math.floor(index / rowLength)] ?? 1));
    this.#weights.set(weightName, tensor(weights.shape, scaled));
    const shifted = Float32Array.from(
      offset,
      (value, channel) => (bias?.data[channel] ?? 0) * (slope[channel] ?? 1) + value,
    );
    const shift = biasName ?? this.#declare(`${layer.name}.bias`, "bias", [channels]);
    this.#weights.set(shift, tensor([channels], shifted));
    this.#nodes[at] = { ...layer, inputs: [image, weightName, shift], outputs: [dst] };
    return true;
  }

  /** Adds a depthwise convolution that computes `line`. Returns false for vectors, which have no such form. */
  #asConvolution(name: string, src: string, { slope, offset }: PerChannel, dst: string): boolean {
    if (this.#shape(src).length !== 4) return false;
    const channels = slope.length;
    const weights = this.#declare(`${name}.weights`, "weights", [channels, 1, 1, 1], Float32Array.from(slope));
    const bias = this.#declare(`${name}.bias`, "bias", [channels], Float32Array.from(offset));
    const attributes = { strides: [1, 1], padding: noPadding, dilation: [1, 1], groups: channels } as const;
    this.#nodes.push(makeNode("convolution", name, [src, weights, bias], [dst], attributes));
    return true;
  }

  #pad(node: Node<"pad">): void {
    const [src = ""] = node.inputs;
    const [, before = 0, top = 0, left = 0] = node.attributes.before;
    const [, after = 0, bottom = 0, right = 0] = node.attributes.after;
    const padding = { top, left, bottom, right };
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    const isUnchanged = [before, after, ...Object.values(padding)].every((zeros) => zeros === 0);
    if (isUnchanged && !this.#network.graph.outputs.includes(dst)) {
      this.#renamed.set(dst, src);
      this.#shared.add(src);
      return;
    }
    if (before === 0 && after === 0 && this.#hasOneReader(dst) && this.#readers.get(dst)?.[0]?.op === "convolution") {
      this.#padded.set(dst, { src, padding });
      return;
    }
    const [, channels = 0] = this.#shape(src);
    const outputs = before + channels + after;
    const identity = new Float32Array(outputs * channels);
    for (let channel = 0; channel < channels; channel++) identity[(before + channel) * channels + channel] = 1;
    const weights = this.#declare(`${node.name}.weights`, "weights", [outputs, channels, 1, 1], identity);
    const { image, strides } = this.#withoutSlices(src, padding);
    const attributes = { strides, padding, dilation: [1, 1], groups: 1 } as const;
    this.#nodes.push(makeNode("convolution", node.name, [image, weights], [dst], attributes));
  }

  /** The image and the strides of a convolution that reads `src`, behind slices that take every n-th pixel. */
  #withoutSlices(src: string, padding: Padding): { readonly image: string; readonly strides: Pair } {
    let [image, strides]: [string, Pair] = [src, [1, 1]];
    if (Object.values(padding).some((zeros) => zeros > 0)) return { image, strides };
    for (;;) {
      const slice = this.#nodes.find(({ outputs }) => outputs.includes(image));
      if (slice?.op !== "slice" || !this.#hasOneReader(image)) return { image, strides };
      const [whole = ""] = slice.inputs;
      const { starts, ends, steps } = slice.attributes;
      const isWhole = this.#shape(whole).every((size, axis) => {
        return starts[axis] === 0 && (axis === 0 || ends[axis] === size);
      });
      const [, channelStep, rows = 1, columns = 1] = steps;
      if (!isWhole || channelStep !== 1) return { image, strides };
      [image, strides] = [whole, [strides[0] * rows, strides[1] * columns]];
    }
  }

  #withPadding(node: Node<"convolution">): Node<"convolution"> {
    const [src = "", ...parameters] = node.inputs;
    const found = this.#padded.get(src);
    if (found === undefined) return node;
    const { top, left, bottom, right } = node.attributes.padding;
    const padding = {
      top: top + found.padding.top,
      left: left + found.padding.left,
      bottom: bottom + found.padding.bottom,
      right: right + found.padding.right,
    };
    return { ...node, inputs: [found.src, ...parameters], attributes: { ...node.attributes, padding } };
  }

  /** `layer` with parameters that no other node reads, so that they can be changed and have scales of their own. */
  #owned<L extends Layer>(layer: L): L {
    const names = new Map<string, string>();
    for (const [slot, name] of layer.inputs.slice(1).entries()) {
      const values = this.#weights.get(name);
      if (values === undefined || (this.#readers.get(name)?.length ?? 0) <= 1) continue;
      const [word, kind] = slot === 0 ? (["weights", "weights"] as const) : (["bias", "bias"] as const);
      names.set(name, this.#declare(`${layer.name}.${word}`, kind, values.shape, values.data.slice()));
    }
    return withInputs(layer, names);
  }

  #declare(name: string, kind: ParameterKind, shape: Shape, values?: Float32Array): string {
    const unique = this.#fresh(name);
    this.#parameters.set(unique, { name: unique, shape, kind });
    if (values !== undefined) this.#weights.set(unique, tensor(shape, values));
    return unique;
  }

  #hasOneReader(value: string): boolean {
    const isNeeded = this.#shared.has(value) || this.#network.graph.outputs.includes(value);
    return !isNeeded && (this.#readers.get(value)?.length ?? 0) === 1;
  }

  #shape(value: string): Shape {
    return this.#shapes.get(value) ?? [];
  }
}
