/** `espalier/graph`: networks as data. It builds graphs, counts their cost and infers the shapes of their values. */
export type { Labels, Shape, Tensor } from "../core/tensor.ts";
export { tensor } from "../core/tensor.ts";
export { GraphBuilder } from "../graph/builder.ts";
export type { Cost } from "../graph/cost.ts";
export { cost } from "../graph/cost.ts";
export type { Graph, Network, Node, Parameter, ParameterKind, Weights } from "../graph/graph.ts";
export type { LayerRow } from "../graph/print.ts";
export { formatLayers, layerRows } from "../graph/print.ts";
export { inferShapes } from "../graph/shapes.ts";
