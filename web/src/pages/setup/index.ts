/** All pages of the set-up, which are loaded together. */

export { CamerasPage } from "./cameras-page";
export { CompanyPage } from "./company-page";
export { ExtensionsPage } from "./extensions-page";
export { NumbersPage } from "./numbers-page";
export { RatesPage } from "./rates-page";
export { RoutesPage } from "./routes-page";
export { TrunksPage } from "./trunks-page";
export { UsersPage } from "./users-page";
