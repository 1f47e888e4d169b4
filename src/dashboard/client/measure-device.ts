/** Measures the visitor's device: has a worker time the networks of a plan, and the server make the table of them. */
import type { TimedFile, TimingPlan } from "../../latency/timing-plan.ts";
import type { DeviceTable } from "../protocol.ts";
import { measurePlan, type NetworkTimer, type Progress, type Sight, type Timing } from "../timing.ts";
import { api, type NetworkChoice } from "./api.ts";
import type { TimingAnswer, TimingRequest } from "./measure-protocol.ts";
import { THREADS } from "./runtime.ts";
import type { Backend } from "./try-protocol.ts";

interface UserAgentData {
  getHighEntropyValues(hints: readonly string[]): Promise<{
    readonly model?: string;
    readonly platform?: string;
    readonly platformVersion?: string;
  }>;
}

/** What the browser says of the device: its model, or else the browser's own description. */
export async function describeDevice(): Promise<string> {
  const { userAgentData, userAgent } = navigator as Navigator & { readonly userAgentData?: UserAgentData };
  const known = await userAgentData?.getHighEntropyValues(["model", "platform", "platformVersion"]).catch(() => {});
  const { model = "", platform = "", platformVersion = "" } = known ?? {};
  const words = [model, `${platform} ${platformVersion}`.trim()].filter((word) => word !== "");
  return (words.length > 0 ? words.join(", ") : userAgent.replace(/^Mozilla\/5\.0 /, "")).slice(0, 200);
}

/** Whether the page is in sight. `close` ends listening. */
function watchSight(): Sight & { readonly close: () => void } {
  let hidden = document.hidden ? 1 : 0;
  const waiting: (() => void)[] = [];
  const onChange = (): void => {
    if (document.hidden) hidden++;
    else for (const resolve of waiting.splice(0)) resolve();
  };
  document.addEventListener("visibilitychange", onChange);
  return {
    hidden: () => hidden,
    seen: () => (document.hidden ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve()),
    close: () => document.removeEventListener("visibilitychange", onChange),
  };
}

export class DeviceMeasurement {
  readonly #worker = new Worker(new URL("./measure-worker.ts", import.meta.url), { type: "module" });
  readonly #sight = watchSight();
  readonly #backend: Backend;
  #version = "";

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async measure(
    plan: TimingPlan,
    choice: NetworkChoice,
    device: string,
    onProgress: (progress: Progress) => void,
  ): Promise<DeviceTable> {
    const timer: NetworkTimer = {
      network: (one: TimedFile) => this.#time({ backend: this.#backend, one }),
      layer: ({ one, many, copies }) => this.#time({ backend: this.#backend, one, many: { file: many, copies } }),
    };
    const times = await measurePlan(plan, timer, this.#sight, onProgress);
    return api.deviceTable(choice, {
      ...{ device, runtimeVersion: this.#version, provider: this.#backend, threads: THREADS },
      ...times,
      // A body has at most 16 kB.
      milliseconds: times.milliseconds.map((value) => Number(value.toPrecision(5))),
    });
  }

  async #time(request: TimingRequest): Promise<Timing> {
    const answer = await new Promise<TimingAnswer>((resolve) => {
      this.#worker.onmessage = ({ data }: MessageEvent<TimingAnswer>) => resolve(data);
      this.#worker.onerror = ({ message }) => resolve({ error: message || "the worker could not be started" });
      this.#worker.postMessage(request);
    });
    if ("error" in answer) {
      const [reason = ""] = answer.error.split("\n");
      const name = this.#backend === "webgpu" ? "WebGPU" : "WebAssembly";
      const advice = this.#backend === "webgpu" ? "; choose WebAssembly" : "";
      throw new Error(`${name} cannot run this network: ${reason.slice(0, 200)}${advice}`);
    }
    this.#version = answer.version;
    return answer.timing;
  }

  close(): void {
    this.#worker.terminate();
    this.#sight.close();
  }
}
