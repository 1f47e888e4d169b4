// Pruning without training. A cut takes what is at zero out of a network and changes no answer; the list of cuts is
// plain data, which can be stored and carried out again on another network of the same architecture.
import { readFile, writeFile } from "node:fs/promises";
import { resnet, saveOnnx } from "espalier";
import { cost, type Network } from "espalier/graph";
import { initialize } from "espalier/models";
import { applyCuts, compact, parseCutList, place, printCuts } from "espalier/pruning";

const { graph, factors } = place(resnet({ depth: 20, classes: 10 }), { neurons: 1, blocks: 1 });

/** The network with every third structure at zero, as a criterion of your own might say. */
function withZeros(seed: number): Network {
  const weights = new Map(initialize(graph, seed));
  for (const { parameter, count } of factors) {
    const values = Float32Array.from({ length: count }, (_, index) => (index % 3 === 2 ? 0 : 1));
    weights.set(parameter, { dtype: "f32", shape: [count], data: values });
  }
  return { graph, weights };
}

const { network, cuts } = compact(withZeros(1));
await saveOnnx(network, "small.onnx");
await writeFile("cuts.json", JSON.stringify(cuts));
console.log(printCuts(cuts));

const again = applyCuts(withZeros(2), parseCutList(await readFile("cuts.json", "utf8")));
console.log(`replayed: ${cost(graph).macs} → ${cost(again.graph).macs} MACs`);
