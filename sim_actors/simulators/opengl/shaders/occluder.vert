#include depth.vert
