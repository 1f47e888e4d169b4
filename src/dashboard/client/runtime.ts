/** ONNX Runtime in a worker. Our own server serves it. */
import type * as Ort from "onnxruntime-web";
import type { Backend } from "./try-protocol.ts";

/** One image of a small network gives several threads too little work, and latencies must be comparable. */
export const THREADS = 1;

const runtimes = new Map<Backend, Promise<typeof Ort>>();

async function importRuntime(backend: Backend): Promise<typeof Ort> {
  const base = new URL("/ort/", self.location.href).href;
  const ort: typeof Ort = await import(/* @vite-ignore */ `${base}ort.${backend}.min.mjs`);
  ort.env.wasm.wasmPaths = base;
  ort.env.wasm.numThreads = THREADS;
  return ort;
}

/** The runtime with `backend`, loaded once. */
export function runtimeOf(backend: Backend): Promise<typeof Ort> {
  const known = runtimes.get(backend) ?? importRuntime(backend);
  runtimes.set(backend, known);
  return known;
}
