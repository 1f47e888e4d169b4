/** A module that the build generates; see vite.config.ts. */
declare module "virtual:report.css";
