import { GraphBuilder } from "/work/main/src/graph/builder.ts";
import { createOneDnnEngine } from "/work/main/src/engine/onednn/index.ts";
import { createReferenceEngine } from "/work/main/src/engine/reference/index.ts";
import { randomFeeds, randomWeights, relativeDifference } from "/work/main/test/engine/random-data.ts";
for (const channels of [8,12, 16])
for (const relu of [false, true])
for (const impl of ["any jit:sse41", "any jit:avx2", "any jit:avx512_core"]) {
  const b = new GraphBuilder("x"); const s = b.relu("r0", b.input("src", ["N", channels, 4, 4]));
  const c = b.convolution("c", s, {channels, kernel: 3, padding: 1}), other = b.batchNormalization("c2", b.convolution("c2c", s, {channels, kernel: 1, padding: 0}));
  const a = b.add("a", c, other);
  b.output(relu ? b.relu("r", a) : a);
  const g = b.build();
  const r = [createReferenceEngine(), createOneDnnEngine({threads:2})].map(e => { const p = e.prepare(g, {batch: 3, choices: {[`forward 3x${channels}x4x4 ${channels}x${channels}x3x3 s1,1 p1,1,1,1 d1,1 g1`]: impl}}); p.write(randomWeights(g, 1)); const x = p.run(randomFeeds(g,3,1)); if(e.name==="onednn")console.log(p.explain(randomFeeds(g,3,1),1).map(s=>s.node+" "+s.op+" "+s.implementation).join("; ")); return x; });
  const o = g.outputs[0]!;
  console.log(channels, relu, impl, relativeDifference(r[1]![o]!.data, r[0]![o]!.data));
  if (relu) console.log([...r[1]![o]!.data.slice(0,400)].map((v,i)=>Math.abs(v-r[0]![o]!.data[i]!)>1e-4?i:-1).filter(i=>i>=0).length, Math.min(...r[1]![o]!.data));
}
