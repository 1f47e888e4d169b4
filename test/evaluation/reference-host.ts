/** The reference engine on this thread, as the host that measuring asks for. */
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import type { Host } from "../../src/evaluation/classifier.ts";

export function referenceHost(): Host {
  const engine = createReferenceEngine();
  return {
    name: engine.name,
    description: engine.description,
    prepare: async (graph, options) => {
      const plan = engine.prepare(graph, options);
      return {
        precision: plan.precision,
        choices: plan.choices,
        notices: plan.notices,
        bytes: plan.bytes,
        run: async (feeds) => plan.run(feeds),
        write: async (values) => plan.write(values),
        read: async (names) => plan.read(names),
        explain: async (feeds, runs) => plan.explain(feeds, runs),
        times: async (feeds, runs) => plan.times(feeds, runs),
        dispose: async () => plan.dispose(),
      };
    },
  };
}
