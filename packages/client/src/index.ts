export { ResumeError } from "./errors.js";
