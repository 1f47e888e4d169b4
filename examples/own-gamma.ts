// A γ schedule of your own: γ rises from 0 to the value in `select` over the first half of the run, and then stays
// constant. Before each step the policy returns γ of every structure. Its argument describes the state of the run.
import { cifar10, type GammaPolicy, gammasOf, resnet, train } from "espalier";

const rising: GammaPolicy = {
  name: "rising",
  gammas: ({ step, totalSteps, factors }) => gammasOf(factors, Math.min(1, (2 * step) / totalSteps)),
};

const run = await train(resnet({ depth: 20, classes: 10 }), {
  data: cifar10(),
  select: { neurons: 0.0016, blocks: 0.02 },
  gammaPolicy: rising,
  epochs: 40,
});
console.log(`${run.before.macs} → ${run.after.macs} MACs, ${run.after.accuracy} % accurate`);
