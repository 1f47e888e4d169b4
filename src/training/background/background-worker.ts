/** The thread behind `background.ts`. */
import { parentPort } from "node:worker_threads";
import { required } from "../../core/errors.ts";
import { answerRequests } from "../../core/requests.ts";
import { type BackgroundCalls, backgroundTasks } from "./background-tasks.ts";

answerRequests<BackgroundCalls>(required(parentPort, "the port of a worker thread"), backgroundTasks);
