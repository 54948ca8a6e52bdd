#version 330
layout(location = 0) out float out_mask;
void main() { out_mask = 1.0; }
