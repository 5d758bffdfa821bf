/* A dlclose that does nothing, linked into sanitizer builds only: MPI unloads its plugins at the end, and a leak report made after that cannot say
 * which library a leak came from, so no suppression in lsan.supp would match. */
int dlclose(void *handle);
int dlclose(void *handle) {
    (void)handle;
    return 0;
}
