/** The page. Its address decides which part is shown, so every part can be linked to and reloaded. */
import { render } from "preact";
import "virtual:report.css";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import { Frame } from "./frame.tsx";
import { ComparePage } from "./pages/compare.tsx";
import { MeasurePage } from "./pages/measure.tsx";
import { NewRunPage } from "./pages/new-run.tsx";
import { RunPage } from "./pages/run.tsx";
import { RunsPage } from "./pages/runs.tsx";
import { TryPage } from "./pages/try.tsx";
import { routeOf, useAddress } from "./router.ts";

function Page() {
  const route = routeOf(useAddress());
  switch (route.page) {
    case "runs":
      return <RunsPage />;
    case "run":
      return <RunPage key={route.name} name={route.name} />;
    case "try":
      return <TryPage key={route.name} name={route.name} />;
    case "compare":
      return <ComparePage key={`${route.left} ${route.right}`} left={route.left} right={route.right} />;
    case "measure":
      return <MeasurePage key={route.run} run={route.run} />;
    case "new":
      return <NewRunPage />;
  }
}

const place = document.getElementById("page");
if (place !== null) {
  render(
    <Frame>
      <Page />
    </Frame>,
    place,
  );
}
