// Reads an ONNX file in a process of its own with the built package: how long it takes, and the peak of memory before
// and after.
import { readFileSync } from "node:fs";
import { loadOnnx } from "../../dist/index.js";

const [file = ""] = process.argv.slice(2);
// The kernel's high-water mark; getrusage would count what the parent had when it forked.
const peak = () => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
const before = peak();
const start = performance.now();
const { graph } = await loadOnnx(file);
const milliseconds = performance.now() - start;
console.log(JSON.stringify({ milliseconds, before, after: peak(), nodes: graph.nodes.length }));
