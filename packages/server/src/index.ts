export { EventStoreError } from "./errors.js";
