import { cifar10, resnet, train } from "espalier";

const run = await train(resnet({ depth: 20, classes: 10 }), {
  data: cifar10(),
  select: { neurons: 0.0016, blocks: 0.02 },
  epochs: 40,
});
await run.compact.save("small.onnx");
console.log(`${run.before.macs} → ${run.after.macs} MACs, ${run.after.accuracy} % accurate`);
