// A hook of your own: it ends training when the loss has not fallen for three epochs. The run then prunes, certifies
// and saves the network as usual. Each checkpoint stores the value of `state`, and `begin` gets it when the run is
// resumed.
import { cifar10, type RunHook, resnet, train } from "espalier";

let [lowest, epochsSince] = [Number.MAX_VALUE, 0];

const earlyStopping: RunHook = {
  name: "early-stopping",
  begin: (_, state) => {
    if (Array.isArray(state)) [lowest = lowest, epochsSince = 0] = state.map(Number);
  },
  afterEpoch: (run, { trainLoss }) => {
    epochsSince = trainLoss < lowest ? 0 : epochsSince + 1;
    lowest = Math.min(lowest, trainLoss);
    if (epochsSince < 3) return;
    run.emit({ type: "notice", message: `The loss has not fallen for ${epochsSince} epochs: training ends here` });
    run.endTraining();
  },
  state: () => [lowest, epochsSince],
};

const run = await train(resnet({ depth: 20, classes: 10 }), {
  data: cifar10(),
  select: { neurons: 0.0016, blocks: 0.02 },
  hooks: [earlyStopping],
  epochs: 40,
});
console.log(`${run.before.macs} → ${run.after.macs} MACs, ${run.after.accuracy} % accurate`);
