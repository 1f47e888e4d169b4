// Your own ONNX file and photos in, a smaller ONNX file out. The photos lie in a folder for each class. The network
// keeps its weights, ends with half of its multiply-accumulates, and is proven to answer as it did after training.
import { images, train } from "espalier";

const [file = "model.onnx", photos = "./photos"] = process.argv.slice(2);

const run = await train(file, { data: images(photos), budget: "50%", epochs: 10, batch: 32 });
await run.compact.save("small.onnx");
console.log(`${run.before.macs} → ${run.after.macs} MACs, ${run.after.accuracy} % accurate`);
