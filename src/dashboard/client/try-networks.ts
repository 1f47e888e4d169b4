/** Loads both networks of a run into ONNX Runtime: with WebGPU if the browser has it, otherwise with WebAssembly. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { fileAddress } from "./api.ts";
import { TryRunner } from "./try-client.ts";
import type { Backend, NetworkRole } from "./try-protocol.ts";

/** Size of each file in bytes. */
export type Sizes = Readonly<Record<NetworkRole, number>>;

interface GpuAdapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

/** Whether this browser has WebGPU, and whether only in software, which is slower than WebAssembly. */
async function findGpu(): Promise<"none" | "software" | "device"> {
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<GpuAdapter | null> } };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (adapter === null || adapter === undefined) return "none";
  return adapter.info?.isFallbackAdapter === true ? "software" : "device";
}

export interface ChosenBackend {
  /** Undefined until the browser has answered whether it has WebGPU. */
  readonly backend: Backend | undefined;
  readonly hasWebGpu: boolean;
  readonly choose: (backend: Backend) => void;
  /** Switches to WebAssembly after an error, with a note. Returns false if the backend was not WebGPU. */
  readonly fallBack: (cause: Error) => boolean;
  readonly note: string | undefined;
}

export function useBackend(): ChosenBackend {
  const [gpu, setGpu] = useState<Awaited<ReturnType<typeof findGpu>>>();
  const [chosen, setChosen] = useState<Backend>();
  const [note, setNote] = useState<string>();
  useEffect(() => {
    void findGpu().then(setGpu);
  }, []);
  const preferred = gpu === undefined ? undefined : gpu === "device" ? "webgpu" : "wasm";
  const backend = chosen ?? preferred;
  const fallBack = useCallback(
    (cause: Error): boolean => {
      if (backend !== "webgpu") return false;
      const [reason = ""] = cause.message.split("\n");
      setNote(`WebGPU failed (${reason.slice(0, 120)}), so WebAssembly runs the networks`);
      setChosen("wasm");
      return true;
    },
    [backend],
  );
  const choose = (wanted: Backend): void => {
    setNote(undefined);
    setChosen(wanted);
  };
  return { backend, hasWebGpu: gpu === "software" || gpu === "device", choose, fallBack, note };
}

export interface LoadedNetworks {
  readonly runner: TryRunner | undefined;
  readonly sizes: Sizes | undefined;
  readonly error: string | undefined;
}

/** Loads both networks of the run `name` for `backend`. `fallBack`: see `ChosenBackend`. */
export function useNetworks(
  name: string,
  backend: Backend | undefined,
  fallBack: ChosenBackend["fallBack"],
): LoadedNetworks {
  const [runner, setRunner] = useState<TryRunner>();
  const [sizes, setSizes] = useState<Sizes>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    if (backend === undefined) return;
    const made = new TryRunner();
    let isOver = false;
    setRunner(made);
    setSizes(undefined);
    setError(undefined);
    const load = async (): Promise<void> => {
      const full = await made.load("full", fileAddress(name, "network.onnx"), backend);
      const compact = await made.load("compact", fileAddress(name, "compact.onnx"), backend);
      if (!isOver) setSizes({ full, compact });
    };
    load().catch((cause: Error) => {
      if (!isOver && !fallBack(cause)) setError(cause.message);
    });
    return () => {
      isOver = true;
      made.close();
    };
  }, [name, backend]);
  return { runner, sizes, error };
}
