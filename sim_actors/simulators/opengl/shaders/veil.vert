#include ground.vert
