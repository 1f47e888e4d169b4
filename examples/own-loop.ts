// A training loop of your own, with the steps of `train`: place scaling factors, build the graph of the training step,
// prepare a plan of it, run the plan for each batch, and prune the structures whose factors are zero.
import { cifar10, resnet, saveOnnx, tensor } from "espalier";
import { TrainingLoader } from "espalier/datasets";
import { EngineHost, trainingGraph } from "espalier/engine";
import { initialize } from "espalier/models";
import { compact, fold, gammaFeeds, gammasOf, keptFactors, place, printCuts } from "espalier/pruning";

const [batch, epochs, momentum, peak] = [128, 4, 0.9, 0.1];
const { train: split, normalization, augmentation } = await cifar10().open();
const { graph, factors } = place(resnet({ depth: 20, classes: 10 }), { neurons: 0.004, blocks: 0.02 });

const step = trainingGraph(fold(graph), {
  batch,
  sgd: { momentum, weightDecay: 5e-4 },
  factors: { momentum, ...keptFactors(factors) },
});
const host = await EngineHost.start({ engine: "onednn" });
const plan = await host.prepare(step, { batch });
await plan.write(initialize(graph, 1));

const loader = new TrainingLoader({ split, normalization, augmentation, batch, seed: 1 });
const total = epochs * Math.floor(split.count / batch);
for (let done = 0; done < total; done++) {
  const { images, labels, release } = await loader.next();
  const learningRate = tensor([], Float32Array.of(peak * (1 - done / total)));
  const feeds = { images, labels, learning_rate: learningRate, ...gammaFeeds(gammasOf(factors)) };
  const { loss } = await plan.run(feeds);
  release();
  if (done % 50 === 0) console.log(`step ${done} of ${total}, loss ${loss?.data[0]?.toFixed(3)}`);
}

const weights = await plan.read(graph.parameters.map(({ name }) => name));
const { network, cuts } = compact({ graph, weights });
await saveOnnx(network, "small.onnx");
console.log(printCuts(cuts));
await loader.dispose();
await host.dispose();
