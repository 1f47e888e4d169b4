// Serves a compact network over HTTP with ONNX Runtime: POST a picture, and get its class. The file contains the image
// preparation and the names of the classes. Install the packages with `npm install onnxruntime-node sharp`.
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { loadOnnx } from "espalier/onnx";
import sharp from "sharp";

// ONNX Runtime sends telemetry unless this is set before it is loaded.
process.env["ORT_DISABLE_TELEMETRY"] = "1";
const { InferenceSession, Tensor } = await import("onnxruntime-node");

const [file = "compact.onnx", port = "8080"] = process.argv.slice(2);
const { graph } = await loadOnnx(file);
const [input] = graph.inputs;
const [, , height = 224, width = 224] = (input?.shape ?? []).map(Number);
const metadata = new Map(graph.header?.metadata ?? []);
const classes: string[] = JSON.parse(metadata.get("classes") ?? "[]");
const { mean = [], standardDeviation = [] } = JSON.parse(metadata.get("normalization") ?? "{}");
const session = await InferenceSession.create(file);

async function classOf(picture: Buffer): Promise<string> {
  const pixels = await sharp(picture).resize(width, height, { fit: "cover" }).removeAlpha().toColourspace("srgb").raw();
  const bytes = await pixels.toBuffer();
  const values = new Float32Array(3 * height * width);
  for (let at = 0; at < values.length; at++) {
    const channel = Math.floor(at / (height * width));
    const byte = bytes[(at % (height * width)) * 3 + channel] ?? 0;
    values[at] = (byte / 255 - (mean[channel] ?? 0)) / (standardDeviation[channel] ?? 1);
  }
  const feeds = { [session.inputNames[0] ?? ""]: new Tensor("float32", values, [1, 3, height, width]) };
  const logits = Object.values(await session.run(feeds))[0]?.data as Float32Array;
  const best = logits.indexOf(Math.max(...logits));
  return classes[best] ?? `class ${best}`;
}

const server = createServer(async (request, response) => {
  try {
    response.end(`${JSON.stringify({ class: await classOf(await buffer(request)) })}\n`);
  } catch (error) {
    response.writeHead(400).end(`${JSON.stringify({ error: String(error) })}\n`);
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`POST a picture to http://127.0.0.1:${port}`));
